use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;
const LATEST: u64 = 253_402_300_799;

fn check_at(claims: &Value, now: u64, skew: u64) -> Result<u64, Stop> {
    let claims = claims.as_object().unwrap();
    check(claims, UnixTime::from_seconds(now), Duration::from_secs(skew)).map(UnixTime::seconds)
}

fn reject(reason: Reason) -> Result<u64, Stop> {
    Err(Stop::Reject(reason))
}

const SOON: Result<u64, Stop> = Err(Stop::Undecided(Cause::NotYetValid));

#[test]
fn c5_expiry_is_exclusive_and_skew_counts_one_way() {
    for skew in [0, 1, 30, 300] {
        for (exp, expected) in [
            (NOW - skew - 1, reject(Reason::Expired)),
            (NOW - skew, reject(Reason::Expired)),
            (NOW - skew + 1, Ok(NOW - skew + 1)),
            (NOW + 1, Ok(NOW + 1)),
            (LATEST, Ok(LATEST)),
            (0, reject(Reason::Expired)),
        ] {
            assert_eq!(check_at(&json!({"exp": exp}), NOW, skew), expected, "exp {exp} skew {skew}");
        }
    }
}

#[test]
fn c4_a_token_without_expiry_is_refused() {
    assert_eq!(check_at(&json!({}), NOW, 0), reject(Reason::ExpiryMissing));
    assert_eq!(check_at(&json!({"Exp": LATEST}), NOW, 0), reject(Reason::ExpiryMissing));
}

#[test]
fn c4_a_malformed_date_is_never_taken_for_a_missing_one() {
    let malformed = [
        json!("1900000000"),
        json!(""),
        json!(null),
        json!(true),
        json!([1_900_000_000]),
        json!({}),
        json!(-1),
        json!(-0.0),
        json!(-0.5),
        json!(i64::MIN),
        json!(LATEST + 1),
        json!(1_800_000_000_000_u64),
        json!(u64::MAX),
        json!(1e12),
        json!(1e300),
        json!(253_402_300_800.5),
    ];
    for date in malformed {
        for name in ["exp", "nbf", "iat"] {
            let mut claims = json!({"exp": NOW + 100});
            claims[name] = date.clone();
            assert_eq!(check_at(&claims, NOW, 0), reject(Reason::TimeInvalid), "{name} {date}");
        }
    }
}

#[test]
fn c4_fractions_are_rounded_to_whole_seconds() {
    assert_eq!(check_at(&json!({"exp": NOW as f64 + 1.9}), NOW, 0), Ok(NOW + 1));
    assert_eq!(check_at(&json!({"exp": NOW as f64 + 0.9}), NOW, 0), reject(Reason::Expired));
    assert_eq!(check_at(&json!({"exp": 1.9e9}), NOW, 0), Ok(1_900_000_000));
    assert_eq!(check_at(&json!({"exp": LATEST as f64 + 0.5}), NOW, 0), Ok(LATEST));
    assert_eq!(check_at(&json!({"exp": NOW + 9, "nbf": NOW as f64 - 0.5}), NOW, 0), Ok(NOW + 9));
    assert_eq!(check_at(&json!({"exp": NOW + 9, "nbf": NOW as f64 + 0.5}), NOW, 0), SOON);
    assert_eq!(check_at(&json!({"exp": NOW + 9, "nbf": LATEST as f64 + 0.5}), NOW, 0), reject(Reason::TimeInvalid));
    assert_eq!(check_at(&json!({"exp": NOW + 9, "iat": NOW as f64 + 0.5}), NOW, 0), Ok(NOW + 9));
}

#[test]
fn c6_dates_ahead_are_waited_for_within_three_minutes_and_refused_beyond() {
    for (name, reason) in [("nbf", Reason::NotYetValid), ("iat", Reason::IssuedInFuture)] {
        for skew in [0, 30, 300] {
            for (date, expected) in [
                (0, Ok(LATEST)),
                (NOW, Ok(LATEST)),
                (NOW + skew, Ok(LATEST)),
                (NOW + skew + 1, SOON),
                (NOW + skew + 180, SOON),
                (NOW + skew + 181, reject(reason)),
                (LATEST, reject(reason)),
            ] {
                let claims = json!({"exp": LATEST, name: date});
                assert_eq!(check_at(&claims, NOW, skew), expected, "{name} {date} skew {skew}");
            }
        }
    }
}

#[test]
fn c6_a_definite_no_comes_before_a_not_yet() {
    assert_eq!(check_at(&json!({"exp": NOW, "nbf": NOW + 5}), NOW, 0), reject(Reason::Expired));
    assert_eq!(
        check_at(&json!({"exp": LATEST, "nbf": NOW + 5, "iat": NOW + 500}), NOW, 0),
        reject(Reason::IssuedInFuture)
    );
    assert_eq!(check_at(&json!({"exp": LATEST, "nbf": NOW + 5, "iat": "x"}), NOW, 0), reject(Reason::TimeInvalid));
    assert_eq!(
        check_at(&json!({"exp": LATEST, "iat": NOW + 5, "nbf": NOW + 500}), NOW, 0),
        reject(Reason::NotYetValid)
    );
}

#[test]
fn c4_no_skew_makes_the_arithmetic_wrap() {
    for skew in [u64::MAX, u64::MAX - NOW, LATEST] {
        assert_eq!(check_at(&json!({"exp": 0, "nbf": LATEST, "iat": LATEST}), NOW, skew), Ok(0), "{skew}");
        assert_eq!(check_at(&json!({"exp": LATEST}), LATEST, skew), reject(Reason::Expired), "{skew}");
    }
    assert_eq!(check_at(&json!({"exp": 1}), 0, 0), Ok(1));
}

proptest! {
    #[test]
    fn c4_the_verdict_is_that_of_unbounded_arithmetic(
        now in 0..LATEST,
        skew in prop_oneof![0..400_u64, 0..LATEST],
        exp in prop_oneof![0..=LATEST, any::<u64>()],
        nbf in prop_oneof![0..=LATEST, any::<u64>()],
        near in -300..300_i128,
        take_near in any::<bool>(),
    ) {
        let nbf = if take_near { u64::try_from((i128::from(now) + near).max(0)).unwrap() } else { nbf };
        let (n, s, e, b) = (i128::from(now), i128::from(skew), i128::from(exp), i128::from(nbf));
        let end = i128::from(LATEST);
        let expected = if e > end || b > end {
            reject(Reason::TimeInvalid)
        } else if n >= (e + s).min(end) {
            reject(Reason::Expired)
        } else if b > (n + s).min(end) + 180 {
            reject(Reason::NotYetValid)
        } else if b > (n + s).min(end) {
            SOON
        } else {
            Ok(exp)
        };
        prop_assert_eq!(check_at(&json!({"exp": exp, "nbf": nbf}), now, skew), expected);
    }

    #[test]
    fn c4_no_number_makes_it_panic(exp in any::<f64>(), nbf in any::<f64>(), skew in any::<u64>()) {
        let _ = check_at(&json!({"exp": exp, "nbf": nbf}), NOW, skew);
    }
}
