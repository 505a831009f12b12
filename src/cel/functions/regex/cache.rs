//! Compiled patterns that were used lately, so that a loop does not compile the same one over and over. Those that stand
//! in an expression itself are compiled when it is loaded, and never come here.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{ILLEGAL, LARGEST, Pattern};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;

/// How many patterns each thread keeps.
const MOST: usize = 32;
/// How much memory they may take together, in bytes.
const MOST_MEMORY: usize = 2 * LARGEST;
/// A unit pays for compiling into so many bytes.
const BYTES_PER_UNIT: usize = 100;

thread_local! {
    /// The one that was used last is the first. Threads share none: a compiled pattern has scratch memory that only
    /// one can use at a time.
    static CACHE: RefCell<VecDeque<(Box<str>, Rc<Pattern>)>> = const { RefCell::new(VecDeque::new()) };
}

/// The compiled pattern. Pays if it has to be compiled first.
pub(super) fn get(meter: &mut Meter, pattern: &str) -> Result<Rc<Pattern>, Fault> {
    let units = |bytes: usize| u64::try_from(bytes / BYTES_PER_UNIT).unwrap_or(u64::MAX);
    CACHE.with_borrow_mut(|cache| {
        if let Some(place) = cache.iter().position(|(known, _)| **known == *pattern)
            && let Some(entry) = cache.remove(place)
        {
            let regex = Rc::clone(&entry.1);
            cache.push_front(entry);
            return Ok(regex);
        }
        // Compiling takes long before it is known how long. What has not enough left for the largest pattern does not begin:
        // the brief try of a mapping never does.
        if !meter.has(units(LARGEST)) {
            return Err(Fault::TooExpensive);
        }
        meter.charge(units(pattern.len()))?;
        let Ok(regex) = Pattern::compile(pattern) else {
            // It may have been found too large only after all the work.
            meter.charge(units(LARGEST))?;
            return Err(ILLEGAL);
        };
        meter.charge(units(regex.memory_usage()))?;
        let regex = Rc::new(regex);
        cache.push_front((pattern.into(), Rc::clone(&regex)));
        cache.truncate(MOST);
        while cache.len() > 1 && cache.iter().map(|(_, regex)| regex.memory_usage()).sum::<usize>() > MOST_MEMORY {
            cache.pop_back();
        }
        Ok(regex)
    })
}
