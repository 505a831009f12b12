use super::check;

#[test]
fn kubernetes_types_are_equal_to_their_own_kind_only() {
    check(&[
        (r#"quantity("2") == quantity("1").add(quantity("1"))"#, "error"),
        (r#"quantity("1").add(quantity("1")) == quantity("2")"#, "true"),
        (r#"quantity("1").add(1) == quantity("1").add(1)"#, "error"),
        (r#"[quantity("1").add(1)] == [quantity("2")]"#, "true"),
        (r#"quantity("2") in [quantity("1").add(1)]"#, "false"),
        (r#"dyn(ip("1.1.1.1")) == 'a'"#, "error"),
        (r#"dyn('a') == ip("1.1.1.1")"#, "false"),
        (r#"dyn(ip("1.1.1.1")) == null"#, "false"),
        (r#"dyn(ip("1.1.1.1")) in ['a']"#, "false"),
        (r#"dyn(ip("1.1.1.1")) == cidr("1.1.1.0/24")"#, "error"),
        (r#"dyn(ip("1.1.1.1")) == quantity("1")"#, "error"),
        (r#"dyn(quantity("1")) == ip("1.1.1.1")"#, "error"),
        (r#"dyn(quantity("1")) == 1"#, "error"),
        (r#"[dyn(quantity("1"))] == [dyn(null)]"#, "false"),
        (r#"type(quantity("1"))"#, "kubernetes.Quantity"),
        (r#"type(ip("1.1.1.1"))"#, "net.IP"),
        (r#"quantity("1").isGreaterThan(semver("1.0.0"))"#, "refused"),
        (r#"sign(quantity("1"))"#, "1"),
        (r#"quantity("1").sign()"#, "refused"),
    ]);
}
