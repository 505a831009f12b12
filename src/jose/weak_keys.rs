//! Keys that have the right form and protect nothing.

/// Whether an RSA modulus (big-endian) was made by the generator of CVE-2017-15361, whose primes can be found.
///
/// Its primes are `k·M + 65537^a mod M` with `M` a product of small primes, so the modulus is a power of 65537 modulo
/// each of these. The list has the small primes for which that says something: those where 65537 does not generate
/// every residue. A sound modulus passes all of them once in 200 million times.
pub(super) fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.into_iter().all(|prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 1..prime {
        if power == residue {
            return true;
        }
        power = power * 65537 % prime;
    }
    false
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

/// Whether an encoded Ed25519 point has an order that divides 8, so that anyone can sign in its name, or is encoded
/// in more than one way (y not below 2^255 - 19), so that equal keys would look different.
pub(super) fn is_small_order_or_not_canonical(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    let is_canonical = y[31] != 0x7f || y[1..31].iter().any(|byte| *byte != 0xff) || y[0] < 0xed;
    !is_canonical || SMALL_ORDER_Y.contains(&y)
}

/// The y coordinates of the eight points of small order, little-endian as encoded. The sign of x, the top bit, is left out.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    little_endian(0x00, 0x00, 0x00), // order 4
    little_endian(0x01, 0x00, 0x00), // order 1
    little_endian(0xec, 0xff, 0x7f), // order 2: y = -1
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ], // order 8
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ], // order 8: its negative
];

/// A number whose bytes between the lowest and the highest are all the same.
const fn little_endian(lowest: u8, between: u8, highest: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = lowest;
    bytes[31] = highest;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b9_a_modulus_of_powers_of_65537_has_the_fingerprint() {
        // 65537^3 is a power of 65537 modulo everything; adding 2 leaves the subgroups.
        let cube = 65537_u64.pow(3);
        assert!(has_roca_fingerprint(&cube.to_be_bytes()));
        assert!(!has_roca_fingerprint(&(cube + 2).to_be_bytes()));
    }

    #[test]
    fn b9_the_primes_are_those_where_65537_misses_residues() {
        let misses = |prime: u32| (1..prime).any(|residue| !is_power_of_65537(residue, prime));
        let is_prime = |number: u32| !(2..number).any(|divisor| number.is_multiple_of(divisor));
        let telling: Vec<_> = (2..=167).filter(|number| is_prime(*number) && misses(*number)).collect();
        assert_eq!(telling, [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]);
    }

    #[test]
    fn b12_points_of_small_order_are_refused_with_either_sign() {
        for lowest_byte_of_y in [0x00, 0x01, 0xec, 0x26, 0xc7] {
            let y = SMALL_ORDER_Y.into_iter().find(|y| y[0] == lowest_byte_of_y).unwrap();
            let mut negative_x = y;
            negative_x[31] |= 0x80;
            assert!(is_small_order_or_not_canonical(&y), "{y:02x?}");
            assert!(is_small_order_or_not_canonical(&negative_x), "{negative_x:02x?}");
        }
    }

    #[test]
    fn b12_anyone_can_sign_for_a_point_of_small_order() {
        use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
        let identity = little_endian(0x01, 0x00, 0x00);
        let key = ParsedPublicKey::new(&ED25519, identity).unwrap();
        assert!(key.verify_sig(b"anything", &[identity, [0; 32]].concat()).is_ok(), "the reason for the check is gone");
    }

    #[test]
    fn b12_coordinates_beyond_the_field_are_refused() {
        for lowest in 0xed..=0xff {
            assert!(is_small_order_or_not_canonical(&little_endian(lowest, 0xff, 0x7f)));
            assert!(is_small_order_or_not_canonical(&little_endian(lowest, 0xff, 0xff)));
        }
        assert!(!is_small_order_or_not_canonical(&little_endian(0xeb, 0xff, 0x7f)));
    }

    #[test]
    fn b12_an_ordinary_point_is_let_through() {
        let base_point = little_endian(0x58, 0x66, 0x66);
        assert!(!is_small_order_or_not_canonical(&base_point));
    }
}
