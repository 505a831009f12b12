use super::check;

#[test]
fn versions_have_the_order_of_semantic_versioning() {
    check(&[
        (r#"semver("1.2.3-1.a") == semver("1.2.3-1.a+b")"#, "true"),
        (r#"semver("v1.02", true) == semver("1.2.0")"#, "true"),
        (r#"isSemver("01.2.3")"#, "false"),
        (r#"isSemver("1.2.3-01")"#, "false"),
        (r#"isSemver("1.2.3-0")"#, "true"),
        (r#"isSemver("1.2.3-")"#, "false"),
        (r#"isSemver("1.2.3+")"#, "false"),
        (r#"isSemver("1.2.3+a+b")"#, "false"),
        (r#"isSemver("1.2.3-a-b--")"#, "true"),
        (r#"isSemver("")"#, "false"),
        (r#"isSemver("v", true)"#, "false"),
        (r#"isSemver("", true)"#, "false"),
        (r#"isSemver("00.000.0-1", true)"#, "true"),
        (r#"isSemver("1.2-a", true)"#, "false"),
        (r#"isSemver("1-a.2", true)"#, "false"),
        (r#"isSemver("1.2.00a", true)"#, "false"),
        (r#"isSemver("1.2.0-a.0", true)"#, "true"),
        (r#"isSemver("1.2.00-01", true)"#, "false"),
        (r#"isSemver("18446744073709551615.0.0")"#, "true"),
        (r#"isSemver("18446744073709551616.0.0")"#, "false"),
        (r#"semver("1.0.0-2").isLessThan(semver("1.0.0-10"))"#, "true"),
        (r#"semver("1.0.0-a").isLessThan(semver("1.0.0-1"))"#, "false"),
        (r#"semver("1.0.0-a").compareTo(semver("1.0.0-a.1"))"#, "-1"),
        (r#"semver("1.0.0").compareTo(semver("1.0.0-a"))"#, "1"),
    ]);
}
