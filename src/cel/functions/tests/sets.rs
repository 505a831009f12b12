use super::check;

#[test]
fn lists_are_compared_as_sets() {
    check(&[
        ("sets.contains([1,2],[1.0])", "refused"),
        ("sets.contains([1,2],[dyn(1.0)])", "true"),
        ("sets.contains([], [])", "true"),
        ("sets.contains([1],[])", "true"),
        ("sets.equivalent([1,1,2],[2,1])", "true"),
        ("sets.intersects([1],['a'])", "refused"),
        ("sets.intersects([1],[1,2])", "true"),
        ("sets.intersects([],[])", "false"),
        ("sets.contains(dyn('a'),[1])", "error"),
    ]);
}
