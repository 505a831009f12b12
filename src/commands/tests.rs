use super::*;

fn parsed(arguments: &[&str]) -> Result<Command, (clap::Error, Vec<OsString>)> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    parse(&arguments).map_err(|error| (error, arguments))
}

/// The text that goes with a command line that does not run.
fn refusal(arguments: &[&str]) -> (bool, String) {
    let Err((error, arguments)) = parsed(arguments) else { panic!("{arguments:?} is fine") };
    (error.use_stderr(), usage_text(&error, &arguments))
}

#[test]
fn the_flags_of_the_interface_are_there() {
    for line in [
        "dev",
        "dev --once --directory D --address 127.0.0.1:8443 --admin-address 127.0.0.1:8080",
        "serve --config F",
        "check --config F",
        "check --config F --live --output json",
        "explain --config F -",
        "explain --config F --audience A --audience B -o yaml --token-file T",
        "review --kubeconfig F --audience A --version v1beta1 --output text TOKEN",
        "review --kubeconfig F --version v1 -",
        "openshift check -f F -f - --output yaml",
        "openshift check --kubeconfig F --context C --probe --audience A --token-file T -o json",
        "openshift apply -f F --kubeconfig F --context C --dry-run --force-conflicts --yes --wait=false --timeout 5m",
        "openshift revert --kubeconfig F --wait --delete-secret",
        "render openshift --config F --secret S --config-map M --issuer U --discovery F -o json",
    ] {
        let arguments: Vec<&str> = std::iter::once("countersign").chain(line.split(' ')).collect();
        assert!(parsed(&arguments).is_ok(), "{line}");
    }
}

#[test]
fn clap_finds_no_contradiction_in_the_definitions() {
    Cli::command().debug_assert();
}

#[test]
fn help_says_of_each_command_what_it_is_for() {
    for arguments in [&["countersign", "--help"][..], &["countersign", "help"]] {
        let (_, help) = refusal(arguments);
        let (_, commands) = help.split_once("Commands:\n").unwrap();
        let lines: Vec<&str> = commands.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), Cli::command().get_subcommands().count() + 1, "{help}");
        assert!(lines.iter().all(|line| line.split_whitespace().count() > 2), "{help}");
    }
}

#[test]
fn the_version_is_data_and_goes_to_standard_output() {
    let version = format!("countersign {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(refusal(&["countersign", "--version"]), (false, version));
}

#[test]
fn wrong_use_goes_to_standard_error() {
    for line in
        ["", "surve", "serve", "serve --config", "check --config F --output xml", "dev --address nowhere", "review T"]
    {
        let arguments: Vec<&str> = std::iter::once("countersign").chain(line.split_whitespace()).collect();
        let (is_error, text) = refusal(&arguments);
        assert!(is_error && !text.is_empty(), "{line}: {text}");
    }
}

#[test]
fn as_a_kubectl_plugin_it_calls_itself_by_that_name() {
    let (_, text) = refusal(&["/usr/local/bin/kubectl-countersign", "serve"]);
    assert!(text.contains("Usage: kubectl countersign serve --config <FILE>"), "{text}");
}

#[test]
fn j1_a_token_in_the_wrong_place_is_not_repeated() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcCJ9.c2lnbmF0dXJl";
    for arguments in [
        &["countersign", token][..],
        &["countersign", "check", "--config", "F", token],
        &["countersign", "review", "--kubeconfig", "F", "-", token],
        &["countersign", "serve", "--config", "F", "--token", token],
        &["countersign", "review", "--kubeconfig", "F", "--version", token],
    ] {
        let (is_error, text) = refusal(arguments);
        assert!(is_error && !text.contains(token) && !text.contains("eyJ"), "{text}");
    }
}

#[test]
fn failures_have_the_exit_codes_of_the_interface() {
    let codes = [Failure::Refused, Failure::WrongUse, Failure::Unknown].map(|failure| failure(String::new()).code());
    assert_eq!(codes, [1, 2, 3]);
}

#[test]
fn a_path_is_quoted_only_if_a_shell_would_misread_it() {
    let quoted = |path: &str| shell_quoted(Path::new(path));
    assert_eq!(quoted("/tmp/countersign-dev-1"), "/tmp/countersign-dev-1");
    assert_eq!(quoted("/home/me/my files/it's"), "'/home/me/my files/it'\\''s'");
    assert_eq!(quoted("~"), "'~'");
    assert_eq!(quoted(""), "''");
}
