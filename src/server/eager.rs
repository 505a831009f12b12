//! Runs each HTTP/2 request at once, in its connection's task, and gives it a task of its own only if it has to wait.
//!
//! By the time that hyper hands out a request, its body has mostly come with it, and a remembered answer waits for nothing.
//! Then making a task, queueing it and waking the connection cost more than the answer. Whatever takes long says so by
//! waiting once, and goes on in a task that any worker may take.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;

#[derive(Clone, Copy, Debug)]
pub(super) struct Eager;

impl<F> Executor<F> for Eager
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, request: F) {
        let mut request = Box::pin(request);
        // Nobody has to be woken: a task polls what it is given before anything else.
        let mut nobody = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(&mut nobody)));
        // A panic costs the request, as it would in a task, and not the connection.
        if let Ok(Poll::Pending) = polled {
            tokio::spawn(request);
        }
    }
}
