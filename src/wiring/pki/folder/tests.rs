use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn order() -> Order {
    Order {
        server_names: vec!["hook.example.com".to_owned(), "10.0.0.7".to_owned(), "fd00::7".to_owned()],
        callers: vec!["kube-apiserver".to_owned()],
        authority_name: Some("the authority".to_owned()),
        days: Days { authority: Some(3650), server: Some(365), caller: Some(1825) },
        renew: false,
    }
}

/// Every file's content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect()
}

fn entry(folder: &Path, stem: &str, names: &[&str], days: u32, deed: Deed) -> Entry {
    Entry {
        certificate: folder.join(format!("{stem}.crt")),
        key: folder.join(format!("{stem}.key")),
        names: names.iter().map(ToString::to_string).collect(),
        not_after: NOW.saturating_add(DAY * days),
        deed,
    }
}

fn refusal(folder: &Path, order: &Order) -> String {
    let before = folder.is_dir().then(|| files(folder));
    let error = fill(folder, order, NOW).unwrap_err();
    assert_eq!(before, folder.is_dir().then(|| files(folder)), "a refused order changes nothing");
    crate::outbound::chain(&error).replace(&format!("{}/", folder.display()), "")
}

#[test]
fn a_new_folder_gets_an_authority_and_all_certificates_under_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/pki");
    let contents = fill(&folder, &order(), NOW).unwrap();
    let names = ["hook.example.com", "10.0.0.7", "fd00::7"];
    assert_eq!(
        contents,
        Contents {
            authority: entry(&folder, "ca", &["the authority"], 3650, Deed::Made),
            server: entry(&folder, "tls", &names, 365, Deed::Made),
            callers: vec![entry(&folder, "kube-apiserver", &["kube-apiserver"], 1825, Deed::Made)],
            other_callers: Vec::new(),
            advice: Findings::new(),
        }
    );
    let modes: BTreeMap<String, u32> = files(&folder)
        .into_keys()
        .map(|name| {
            let mode = fs::metadata(folder.join(&name)).unwrap().permissions().mode() & 0o777;
            (name, mode)
        })
        .collect();
    let expected = [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("kube-apiserver.crt", 0o644),
        ("kube-apiserver.key", 0o600),
        ("tls.crt", 0o644),
        ("tls.key", 0o600),
    ];
    assert_eq!(modes, expected.map(|(name, mode)| (name.to_owned(), mode)).into());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_same_order_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &order(), NOW).unwrap();
    let before = files(folder.path());
    let contents = fill(folder.path(), &order(), NOW.saturating_add(DAY)).unwrap();
    assert_eq!(files(folder.path()), before);
    let deeds = [contents.authority.deed, contents.server.deed, contents.callers[0].deed];
    assert_eq!(deeds, [Deed::Kept; 3]);
}

#[test]
fn a_renewal_keeps_the_authority_and_the_names() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &order(), NOW).unwrap();
    let before = files(folder.path());
    let renewal = Order { server_names: Vec::new(), renew: true, ..order() };
    let contents = fill(folder.path(), &renewal, NOW.saturating_add(DAY)).unwrap();
    assert_eq!(contents.server.names, order().server_names);
    assert_eq!(contents.server.not_after, NOW.saturating_add(DAY * 366));
    let deeds = [contents.authority.deed, contents.server.deed, contents.callers[0].deed];
    assert_eq!(deeds, [Deed::Kept, Deed::Renewed, Deed::Renewed]);
    let after = files(folder.path());
    let changed: Vec<&str> = before.keys().filter(|name| before[*name] != after[*name]).map(String::as_str).collect();
    assert_eq!(changed, ["kube-apiserver.crt", "kube-apiserver.key", "tls.crt", "tls.key"]);
}

#[test]
fn a_renewed_certificate_is_trusted_by_who_trusts_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &order(), NOW).unwrap();
    let authority = fs::read(folder.path().join("ca.crt")).unwrap();
    fill(folder.path(), &Order { renew: true, ..order() }, NOW).unwrap();
    let anchor = CertificateDer::from_pem_slice(&authority).unwrap();
    let anchors = [webpki::anchor_from_trusted_cert(&anchor).unwrap()];
    let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(NOW.seconds()));
    for (file, usage) in
        [("tls.crt", webpki::KeyUsage::server_auth()), ("kube-apiserver.crt", webpki::KeyUsage::client_auth())]
    {
        let der = CertificateDer::from_pem_slice(&fs::read(folder.path().join(file)).unwrap()).unwrap();
        let certificate = webpki::EndEntityCert::try_from(&der).unwrap();
        certificate
            .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &[], now, usage, None, None)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn another_caller_is_added_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &order(), NOW).unwrap();
    let more = Order { callers: vec!["kube-apiserver".to_owned(), "proxy".to_owned()], ..order() };
    let contents = fill(folder.path(), &more, NOW).unwrap();
    let deeds: Vec<Deed> = contents.callers.iter().map(|entry| entry.deed).collect();
    assert_eq!(deeds, [Deed::Kept, Deed::Made]);
}

#[test]
fn no_certificate_outlives_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let order = Order { days: Days { authority: Some(10), server: Some(365), caller: Some(1825) }, ..order() };
    let contents = fill(folder.path(), &order, NOW).unwrap();
    assert_eq!(
        (contents.server.not_after, contents.callers[0].not_after),
        (NOW.saturating_add(DAY * 10), NOW.saturating_add(DAY * 10))
    );
}

#[test]
fn an_order_that_contradicts_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(
        refusal(path, &Order { server_names: Vec::new(), ..order() }),
        "no name for the server's certificate; give the DNS names and IP addresses that API servers will use"
    );
    fill(path, &order(), NOW).unwrap();
    assert_eq!(
        refusal(path, &Order { server_names: vec!["other".to_owned()], ..order() }),
        "tls.crt: is there, for hook.example.com, 10.0.0.7, fd00::7; order it to be renewed (--renew), or use another folder"
    );
    fs::rename(path.join("tls.key"), path.join("elsewhere")).unwrap();
    assert_eq!(
        refusal(path, &order()),
        "tls.crt: is there, but tls.key is missing; order it to be renewed (--renew), or use another folder"
    );
}

#[test]
fn lifetimes_and_names_that_contradict_what_is_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let of = |days| Order { days, ..order() };
    let days = order().days;
    fill(path, &Order { days: Days { authority: Some(1000), ..days }, ..order() }, NOW).unwrap();
    let another = "leave that out, or make another authority in another folder";
    let renew = "order it to be renewed (--renew), or use another folder";
    assert_eq!(
        refusal(path, &Order { authority_name: Some("other".to_owned()), ..of(Days::default()) }),
        format!("ca.crt: is there, and its name is the authority; {another}")
    );
    assert_eq!(
        refusal(path, &Order { renew: true, ..order() }),
        format!("ca.crt: is there, good for 1000 days in all; {another}")
    );
    let given = Days { authority: None, ..days };
    assert_eq!(
        refusal(path, &of(Days { server: Some(5), ..given })),
        format!("tls.crt: is there, good for 365 days in all; {renew}")
    );
    assert_eq!(
        refusal(path, &of(Days { caller: Some(5), ..given })),
        format!("kube-apiserver.crt: is there, good for 1000 days in all; {renew}")
    );
    // The callers' 1825 days were cut off at the authority's end, and asking again is no contradiction.
    let later = NOW.saturating_add(DAY);
    assert_eq!(fill(path, &of(given), later).unwrap().callers[0].deed, Deed::Kept);
    assert_eq!(fill(path, &of(Days::default()), later).unwrap().server.deed, Deed::Kept);
}

#[test]
fn keys_that_others_may_read_and_a_folder_that_others_may_write_to_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(fill(path, &order(), NOW).unwrap().advice, Findings::new());
    let open = |name: &str, mode| fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    open("ca.key", 0o644);
    open("tls.key", 0o640);
    open("", 0o777);
    let advice = fill(path, &order(), NOW).unwrap().advice.to_string().replace(&*path.to_string_lossy(), "pki");
    let expected = "\
warning  pki/ca.key: others may use this private key (its mode is 0644)
  fix: chmod 0600 pki/ca.key; if somebody may have read it, have it made anew
warning  pki/tls.key: others may use this private key (its mode is 0640)
  fix: chmod 0600 pki/tls.key; if somebody may have read it, have it made anew
warning  pki: others may put their own files in the place of these (its mode is 0777)
  fix: chmod 0700 pki
";
    assert_eq!(advice, expected);
}

#[test]
fn callers_that_are_not_ordered_again_are_still_named() {
    let (folder, foreign) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of = |name: &str| Order { callers: vec![name.to_owned()], ..order() };
    fill(folder.path(), &of("one"), NOW).unwrap();
    fill(folder.path(), &of("two"), NOW).unwrap();
    fill(foreign.path(), &of("foreign"), NOW).unwrap();
    fs::copy(foreign.path().join("foreign.crt"), folder.path().join("foreign.crt")).unwrap();
    fs::write(folder.path().join("notes.crt"), "no certificate").unwrap();
    assert_eq!(fill(folder.path(), &of("three"), NOW).unwrap().other_callers, ["one", "two"]);
}

#[test]
fn a_pair_that_is_none_is_refused_and_renewing_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let renewing = || Order { renew: true, server_names: Vec::new(), ..order() };
    fill(path, &order(), NOW).unwrap();
    let fix = "order it to be renewed (--renew), or use another folder";
    fs::copy(path.join("kube-apiserver.key"), path.join("tls.key")).unwrap();
    assert_eq!(refusal(path, &order()), format!("tls.crt: is there, but tls.key is not its key; {fix}"));
    fs::write(path.join("tls.key"), "half").unwrap();
    assert_eq!(refusal(path, &order()), format!("tls.crt: is there, but tls.key is not its key; {fix}"));
    fs::remove_file(path.join("tls.key")).unwrap();
    let mended = fill(path, &renewing(), NOW).unwrap();
    assert_eq!(mended.server, entry(path, "tls", &["hook.example.com", "10.0.0.7", "fd00::7"], 365, Deed::Renewed));
    assert_eq!(fill(path, &order(), NOW).unwrap().server.deed, Deed::Kept);

    // Without its names they have to be given.
    fs::write(path.join("tls.crt"), "").unwrap();
    let refused = refusal(path, &order());
    assert!(refused.starts_with("tls.crt: cannot be read: ") && refused.ends_with(fix), "{refused}");
    assert!(refusal(path, &renewing()).starts_with("no name for the server's certificate"));
    assert_eq!(fill(path, &Order { renew: true, ..order() }, NOW).unwrap().server.deed, Deed::Renewed);
}

#[test]
fn a_certificate_of_another_authority_is_not_kept() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(one.path(), &order(), NOW).unwrap();
    fill(other.path(), &order(), NOW).unwrap();
    for file in ["tls.crt", "tls.key"] {
        fs::copy(other.path().join(file), one.path().join(file)).unwrap();
    }
    assert_eq!(
        refusal(one.path(), &order()),
        "tls.crt: is there, but is not signed by the folder's authority; order it to be renewed (--renew), or use \
         another folder"
    );
}

#[test]
fn what_is_no_authority_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fill(path, &order(), NOW).unwrap();
    let refused = |problem: &str| {
        assert_eq!(
            refusal(path, &Order { renew: true, ..order() }),
            format!("ca.crt: this is no certificate authority that can sign: {problem}")
        );
    };
    let key = fs::read(path.join("ca.key")).unwrap();
    fs::copy(path.join("tls.key"), path.join("ca.key")).unwrap();
    refused("the private key belongs to another certificate");
    fs::write(path.join("ca.key"), "no key").unwrap();
    refused("the private key is not an unencrypted PKCS #8 key in PEM");
    fs::copy(path.join("tls.crt"), path.join("ca.crt")).unwrap();
    fs::copy(path.join("tls.key"), path.join("ca.key")).unwrap();
    refused("the certificate is not one of an authority (CA:TRUE)");
    fs::write(path.join("ca.key"), key).unwrap();
}

#[test]
fn an_ended_authority_is_named_with_its_end() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &order(), NOW).unwrap();
    let later = NOW.saturating_add(DAY * 3650);
    let error = fill(folder.path(), &Order { renew: true, ..order() }, later).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: the authority ended on 2037-01-12T08:00:00Z; make a new one in another folder, and have both trusted \
             meanwhile",
            folder.path().join("ca.crt").display()
        )
    );
}

#[test]
fn a_callers_name_cannot_leave_the_folder_or_take_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let plain = "use up to 64 letters, digits, dots, dashes, underscores and colons";
    for (names, refused, problem) in [
        (vec!["../ca"], "../ca", plain),
        (vec![""], "", plain),
        (vec![".hidden"], ".hidden", plain),
        (vec!["ca"], "ca", "its file has that name already"),
        (vec!["tls"], "tls", "its file has that name already"),
        (vec!["a", "a"], "a", "it is given twice"),
    ] {
        let callers = names.into_iter().map(str::to_owned).collect();
        assert_eq!(
            refusal(folder.path(), &Order { callers, ..order() }),
            format!("{refused:?} cannot be a caller's name here: {problem}")
        );
    }
}
