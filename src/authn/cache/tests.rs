use std::sync::atomic::AtomicUsize;

use tokio::sync::Notify;

use super::*;
use crate::authn::standing::Ground;
use crate::authn::{Basis, IssuerName, PackedUser, Reason, Standing, UserInfo};
use crate::clock::ManualClock;

const START: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// An authenticator that answers by the token's text and counts how often it is asked.
struct Oracle {
    asked: Arc<AtomicUsize>,
    ground: Arc<Ground>,
    gate: Option<Arc<Notify>>,
}

impl Authenticator for Oracle {
    async fn authenticate(&self, token: &BearerToken, _deadline: Deadline) -> Decision {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let standing = Standing::on(Arc::clone(&self.ground), self.ground.generation());
        let issuer = IssuerName::new("https://idp.example.com");
        match token.expose_secret() {
            "bad" => Decision::Reject(Rejected {
                reason: Reason::BadSignature,
                issuer: Some(issuer),
                standing: Some(standing),
            }),
            "early" => Decision::Reject(Rejected {
                reason: Reason::NotYetValid,
                issuer: Some(issuer),
                standing: Some(standing),
            }),
            "junk" => Decision::NotMine,
            "panic" => panic!("a planted fault"),
            "undecided" => Decision::Unavailable(Unavailable { cause: Cause::KeysUnavailable, issuer: Some(issuer) }),
            name => Decision::Accept(Accepted {
                user: PackedUser::from(&UserInfo { username: name.to_owned(), ..UserInfo::default() }),
                not_after: START.saturating_add(Duration::from_secs(60)),
                basis: Arc::new(Basis { issuer, audiences: vec!["client".to_owned()], standing }),
            }),
        }
    }
}

struct Rig {
    cache: Arc<Cache<Oracle>>,
    asked: Arc<AtomicUsize>,
    clock: Arc<ManualClock>,
    ground: Arc<Ground>,
}

impl Rig {
    fn new(limits: Limits, gate: Option<Arc<Notify>>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let ground = Ground::new(clock.monotonic());
        ground.extend_to(clock.monotonic() + Duration::from_secs(86_400));
        let asked = Arc::new(AtomicUsize::new(0));
        let oracle = Oracle { asked: Arc::clone(&asked), ground: Arc::clone(&ground), gate };
        let cache = Cache::new(oracle, limits, Arc::clone(&clock) as _, Arc::default()).unwrap();
        Self { cache: Arc::new(cache), asked, clock, ground }
    }

    fn usual() -> Self {
        Self::new(LIMITS, None)
    }

    async fn ask(&self, token: &str) -> String {
        let decision = self.cache.authenticate(&token.into(), Deadline::within(Duration::from_secs(5))).await;
        match decision {
            Decision::Accept(accepted) => {
                let mut json = Vec::new();
                accepted.user.write_json(&mut json);
                let user: serde_json::Value = serde_json::from_slice(&json).unwrap();
                user["username"].as_str().unwrap().to_owned()
            }
            Decision::NotMine => "not mine".to_owned(),
            Decision::Reject(rejected) => rejected.reason.code().to_owned(),
            Decision::Unavailable(unavailable) => unavailable.cause.code().to_owned(),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const LIMITS: Limits =
    Limits { max_size: 64 << 20, accept_ttl: Duration::from_secs(300), reject_ttl: Duration::from_secs(10) };

#[tokio::test]
async fn a_good_token_is_verified_once() {
    let rig = Rig::usual();
    assert_eq!((rig.ask("alice").await, rig.ask("alice").await), ("alice".into(), "alice".into()));
    assert_eq!(rig.asked(), 1);
    assert_eq!((rig.cache.memory.totals.hits(), rig.cache.memory.totals.misses()), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_too_long_is_refused_before_anything_is_made_of_it() {
    let rig = Rig::usual();
    let longest = "a".repeat(BearerToken::MAX_BYTES);
    assert_eq!(rig.ask(&format!("{longest}b")).await, "oversized");
    assert_eq!((rig.asked(), rig.cache.memory.totals.misses()), (0, 1));
    assert_ne!(rig.ask(&longest).await, "oversized");
    assert_eq!(rig.asked(), 1);
}

#[tokio::test]
async fn f1_different_tokens_never_share_an_entry() {
    let rig = Rig::usual();
    assert_eq!((rig.ask("alice").await, rig.ask("alicf").await), ("alice".into(), "alicf".into()));
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn f2_the_token_is_not_part_of_the_key() {
    let rig = Rig::usual();
    let other = Rig::usual();
    let token = BearerToken::from("alice");
    assert_ne!(rig.cache.memory.digest(&token), other.cache.memory.digest(&token), "each cache has a key of its own");
}

#[tokio::test]
async fn f4_an_entry_does_not_outlive_the_token() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.clock.advance(Duration::from_secs(59));
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 1);
    rig.clock.advance(Duration::from_secs(1));
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn c7_a_wall_clock_that_jumps_forward_past_exp_ends_the_entry() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.clock.step_to(START.saturating_add(Duration::from_secs(3600)));
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn c7_a_wall_clock_that_goes_back_has_the_token_judged_again() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.clock.step_to(START.saturating_sub(Duration::from_secs(5)));
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 1);
    rig.clock.step_to(START.saturating_sub(Duration::from_secs(6)));
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn c7_what_was_refused_by_a_wrong_clock_is_judged_again_once_it_is_right() {
    let rig = Rig::usual();
    rig.clock.step_to(UnixTime::default());
    rig.ask("bad").await;
    rig.clock.step_to(UnixTime::from_seconds(15));
    rig.ask("bad").await;
    assert_eq!(rig.asked(), 1, "that is no more than the clock goes by itself");
    rig.clock.step_to(START);
    rig.ask("bad").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn c7_a_wall_clock_that_stands_still_does_not_keep_an_entry_for_ever() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.clock.advance(Duration::from_secs(60));
    rig.clock.step_to(START);
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn f5_new_keys_end_accepted_and_refused_entries() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.ask("bad").await;
    rig.ground.advance_to(1);
    rig.ask("alice").await;
    rig.ask("bad").await;
    assert_eq!(rig.asked(), 4);
}

#[tokio::test]
async fn f6_a_verdict_that_lands_after_its_keys_fell_is_not_used() {
    let gate = Arc::new(Notify::new());
    let rig = Rig::new(LIMITS, Some(Arc::clone(&gate)));
    let token = BearerToken::from("alice");
    let mut first = Box::pin(rig.cache.authenticate(&token, Deadline::within(Duration::from_secs(5))));
    assert!(futures_util::poll!(&mut first).is_pending());
    gate.notify_one();
    first.await;
    rig.ground.advance_to(1);
    gate.notify_one();
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn g3_keys_beyond_their_staleness_end_the_entry() {
    let rig = Rig::usual();
    rig.ask("alice").await;
    rig.ground.extend_to(rig.clock.monotonic());
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_its_own_time() {
    let rig = Rig::usual();
    assert_eq!(rig.ask("bad").await, "bad_signature");
    rig.clock.advance(Duration::from_secs(9));
    rig.ask("bad").await;
    assert_eq!(rig.asked(), 1);
    rig.clock.advance(Duration::from_secs(1));
    rig.ask("bad").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn f7_a_refusal_that_waiting_lifts_is_not_remembered() {
    let rig = Rig::usual();
    for _ in 0..2 {
        assert_eq!(rig.ask("early").await, "not_yet_valid");
    }
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn f7_cannot_tell_is_never_remembered() {
    let rig = Rig::usual();
    assert_eq!(rig.ask("undecided").await, "keys_unavailable");
    rig.ask("undecided").await;
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn f8_refusals_and_junk_cannot_push_out_good_entries() {
    let rig = Rig::new(Limits { max_size: 1 << 20, ..LIMITS }, None);
    rig.ask("alice").await;
    let rejected = Rejected {
        reason: Reason::BadSignature,
        issuer: None,
        standing: Some(Standing::on(Arc::clone(&rig.ground), 0)),
    };
    for number in 0_u64..20_000 {
        let mut digest = Digest::default();
        digest[..8].copy_from_slice(&number.to_be_bytes());
        rig.cache.memory.remember(digest, &Decision::Reject(rejected.clone()));
        rig.cache.memory.remember(digest, &Decision::NotMine);
    }
    rig.cache.memory.refused.run_pending_tasks();
    assert!(rig.cache.memory.refused.weighted_size() <= (1 << 20) / REFUSALS_SHARE);
    rig.ask("alice").await;
    assert_eq!(rig.asked(), 1);
}

#[tokio::test]
async fn f9_the_cache_is_bounded_in_bytes() {
    let rig = Rig::new(Limits { max_size: 1 << 20, ..LIMITS }, None);
    for number in 0..200 {
        rig.ask(&format!("{number}{}", "x".repeat(15_000))).await;
    }
    rig.cache.memory.accepted.run_pending_tasks();
    let (entries, _, bytes) = rig.cache.size();
    assert!(entries < 70 && bytes <= 1 << 20, "{entries} entries of 15 kB, {bytes} bytes");
    assert!(rig.cache.memory.totals.evictions() > 0);
}

#[tokio::test]
async fn f12_identical_misses_at_once_cost_one_verification() {
    let gate = Arc::new(Notify::new());
    let rig = Rig::new(LIMITS, Some(Arc::clone(&gate)));
    let token = BearerToken::from("alice");
    let deadline = Deadline::within(Duration::from_secs(5));
    let mut all: Vec<_> = (0..64).map(|_| Box::pin(rig.cache.authenticate(&token, deadline))).collect();
    for waiting in &mut all {
        assert!(futures_util::poll!(waiting).is_pending());
    }
    gate.notify_one();
    for decision in futures_util::future::join_all(all).await {
        assert!(matches!(decision, Decision::Accept(_)));
    }
    assert_eq!(rig.asked(), 1);
}

#[tokio::test]
async fn nobody_verifies_in_the_turn_in_which_he_asks() {
    let rig = Rig::usual();
    let token = BearerToken::from("alice");
    let ask = || rig.cache.authenticate(&token, Deadline::within(Duration::from_secs(5)));
    let (mut first, mut second) = (Box::pin(ask()), Box::pin(ask()));
    assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
    assert_eq!(rig.asked(), 0);
    assert!(matches!(futures_util::poll!(&mut first), Poll::Ready(Decision::Accept(_))));
    assert!(matches!(second.await, Decision::Accept(_)));
    assert_eq!(rig.asked(), 1);
}

#[tokio::test]
async fn f13_a_panic_is_a_cannot_tell_and_leaves_the_cache_usable() {
    let rig = Rig::usual();
    assert_eq!(rig.ask("panic").await, "internal_error");
    assert_eq!(rig.ask("panic").await, "internal_error");
    assert_eq!((rig.ask("alice").await, rig.asked()), ("alice".into(), 3));
}

#[tokio::test(start_paused = true)]
async fn f13_a_verification_that_hangs_ends_at_the_callers_deadline() {
    let rig = Rig::new(LIMITS, Some(Arc::new(Notify::new())));
    assert_eq!(rig.ask("alice").await, "deadline");
}

/// With the library's two pointers and its counter it is 64 bytes long, a size class of the allocator; the next one is 80.
#[test]
fn an_entry_is_small() {
    assert_eq!(size_of::<Entry<Accepted>>(), 40);
    assert_eq!(size_of::<Digest>(), 24);
}
