//! Why a token was refused, or why nothing could be said: two closed sets, each reason with a stable code.
//!
//! Codes are an interface: metrics, logs, `explain` and (if the operator asks for it) `status.error` use them.

/// Declares a fieldless enum with a stable code and one sentence for people per variant.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $code:literal $sentence:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $sentence] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, in `snake_case`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// One sentence for people: what it means.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

codes! {
    /// A definite "no": the same token will be refused again, so the API server may remember it.
    Reason {
        AlgorithmMismatch "algorithm_mismatch" "The key that the token names cannot be used with the token's algorithm.",
        AlgorithmNotAllowed "algorithm_not_allowed" "The token's algorithm is not among the issuer's `signingAlgorithms`.",
        AudienceMismatch "audience_mismatch" "None of the token's audiences is one of the issuer's configured audiences.",
        AudienceNotVouched "audience_not_vouched" "The token is good, but not for any of the audiences that the caller asked about.",
        BadSignature "bad_signature" "The signature does not fit the issuer's key.",
        ClaimMismatch "claim_mismatch" "A claim that a claimValidationRule requires is missing or has another value.",
        ClaimMissing "claim_missing" "A claim that the mapping needs is missing.",
        ClaimRule "claim_rule" "The expression of a claimValidationRule is not true for the token.",
        ClaimType "claim_type" "A claim has a JSON type that it must not have.",
        CriticalHeader "critical_header" "The token's header has `crit` or `b64`: extensions that must be understood, and none is.",
        DistributedClaim "distributed_claim" "The groups that the token says are elsewhere were asked for, and what came is not good.",
        DistributedEndpoint "distributed_endpoint" "The token says that its groups are at an address that is not one of the issuer's `distributedClaims.allowedEndpoints`.",
        DuplicateMember "duplicate_member" "The token's header or claims name a member twice, or a registered claim in another case.",
        EmailNotVerified "email_not_verified" "The user name is an e-mail address that the issuer does not call verified.",
        EmbeddedKey "embedded_key" "The token's header brings its own key (`jwk`, `jku` or `x5u`); keys come from the issuer only.",
        Encrypted "encrypted" "The token is encrypted or compressed (`enc`, `zip`, five parts); only signed tokens are taken.",
        Expired "expired" "The token's `exp` has passed.",
        ExpiryMissing "expiry_missing" "The token has no `exp`.",
        ExpressionFailed "expression_failed" "An expression has no result for the token, or one of a type that it must not have.",
        IdentityInvalid "identity_invalid" "A user name is empty, or a name, group, uid or extra value has spaces at its ends or characters that cannot be seen.",
        IssuedInFuture "issued_in_future" "The token's `iat` lies in the future.",
        KeyAmbiguous "key_ambiguous" "The token names no key (`kid`), and several of the issuer's keys would do.",
        Malformed "malformed" "The token is not a signed token in compact form with strict base64url and JSON.",
        NotYetValid "not_yet_valid" "The token's `nbf` has not come yet.",
        Oversized "oversized" "The token, its header, its depth, its member count, its claims or its groups exceed the limits.",
        ReservedIdentity "reserved_identity" "The user name or a group starts with `system:` (or looks as if it did).",
        TimeInvalid "time_invalid" "`exp`, `nbf` or `iat` is not a whole number of seconds within the years 1970 to 9999.",
        TokenProfile "token_profile" "The token is of another kind than the issuer's `tokenProfile` asks for, or of a foreign kind.",
        UnknownIssuer "unknown_issuer" "The token's issuer is not configured.",
        UnknownKey "unknown_key" "The issuer's current key set has no key for this token.",
        UserRule "user_rule" "The expression of a userValidationRule is not true for the user.",
        WeakKey "weak_key" "The token was signed with a key that is too weak or not fit for signatures.",
    }
}

impl Reason {
    /// Whether the same token becomes good just by waiting, so that the refusal must not be remembered here.
    #[must_use]
    pub const fn passes_with_time(self) -> bool {
        matches!(self, Self::IssuedInFuture | Self::NotYetValid)
    }
}

codes! {
    /// A "cannot tell": it may become a yes soon, so nobody may remember it as a no.
    Cause {
        Deadline "deadline" "The review's deadline passed before there was an answer.",
        DistributedClaim "distributed_claim_unavailable" "The groups that the token says are elsewhere could not be fetched, or not be verified yet.",
        Internal "internal_error" "A fault of countersign itself, isolated to this review.",
        KeysStale "keys_stale" "The issuer's keys could not be refreshed for longer than `maxStaleness`.",
        KeysUnavailable "keys_unavailable" "The issuer's keys have not been fetched yet.",
        KeysUnknown "keys_unknown" "The token names a key that was not in the last key set, and asking again has to wait.",
        NotYetValid "not_yet_valid_soon" "The token's `nbf` is a few seconds ahead.",
    }
}
