//! What every server of a run needs: certificates, an issuer with one key for each algorithm, and tokens.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::dev::issuer::{Algorithm, Issuer, IssuerOptions, SigningKey, TokenBuilder};
use countersign::token::BearerToken;
use countersign::wiring::kubeconfig::{ClientCertificate, Connection};
use countersign::wiring::pki::{Authority, Identity, Validity};
use countersign::wiring::reviewer::{Review, ReviewVersion};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The audience of the tokens, at the issuer.
pub(crate) const AUDIENCE: &str = "kubernetes";
/// The audience that reviews ask for.
pub(crate) const API_AUDIENCE: &str = "https://kubernetes.default.svc";
/// Longer than any run.
const GOOD_FOR: Duration = Duration::from_secs(6 * 60 * 60);

/// A kind of key, as the rows of the table name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Rs256,
    Rs4096,
    Ps256,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Rs256, Self::Rs4096, Self::Ps256, Self::Es256, Self::Es384, Self::Es512, Self::EdDsa];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs4096 => "RS256 with 4096 bits",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    fn key(self) -> SigningKey {
        let (algorithm, bits) = match self {
            Self::Rs256 => (Algorithm::Rs256, 2048),
            Self::Rs4096 => (Algorithm::Rs256, 4096),
            Self::Ps256 => (Algorithm::Ps256, 2048),
            Self::Es256 => (Algorithm::Es256, 2048),
            Self::Es384 => (Algorithm::Es384, 2048),
            Self::Es512 => (Algorithm::Es512, 2048),
            Self::EdDsa => (Algorithm::EdDsa, 2048),
        };
        SigningKey::generate_sized(algorithm, format!("{self:?}"), bits).expect("the library makes such keys")
    }
}

/// A folder with the files that servers start from.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    /// Where a file is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file there.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the folder can be written");
    }
}

/// Everything that is made once for a run.
pub(crate) struct Material {
    pub(crate) files: Files,
    issuer: Issuer,
    keys: Vec<(Kind, Arc<SigningKey>)>,
    authority: Authority,
    caller: Identity,
    now: UnixTime,
    /// The issuer answers here, whatever else goes on.
    _background: Runtime,
}

impl Material {
    /// Makes keys and certificates, starts the issuer, and writes the files of every server.
    pub(crate) fn new() -> Self {
        let background = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let background = background.expect("a runtime");
        let now = SystemClock.now();
        let validity = Validity::days(now, 2);
        let authority = Authority::new("countersign benches", validity).expect("an authority");
        let serving = authority.serving_certificate(&["localhost", "127.0.0.1"], validity).expect("a certificate");
        let caller = authority.client_certificate("kube-apiserver", &[], validity).expect("a certificate");
        let administrator =
            authority.client_certificate("administrator", &["system:masters"], validity).expect("a certificate");
        let options = IssuerOptions { audience: AUDIENCE.to_owned(), ..IssuerOptions::default() };
        let issuer = background.block_on(Issuer::start(options, now)).expect("an issuer on loopback");
        let keys: Vec<_> = Kind::ALL.map(|kind| (kind, Arc::new(kind.key()))).into();
        let set = json!({"keys": keys.iter().map(|(_, key)| key.jwk()).collect::<Vec<_>>()});
        issuer.publish(set.to_string());
        let files = Files(tempfile::tempdir().expect("a folder for temporary files"));
        files.write("tls.crt", serving.certificate_pem());
        files.write("tls.key", serving.private_key_pem());
        files.write("callers-ca.crt", &authority.certificate_pem());
        files.write("administrator.crt", administrator.certificate_pem());
        files.write("administrator.key", administrator.private_key_pem());
        files.write("issuer-ca.crt", issuer.ca_pem());
        let material = Self { files, issuer, keys, authority, caller, now, _background: background };
        let token = material.token(Kind::Rs256, 0).mint();
        let row = format!("{},oidc:user-0000000,0,\"oidc:developers\"\n", token.expose_secret());
        material.files.write("tokens.csv", &row);
        material.write_configuration("cached.yaml", &json!({"acceptTTL": "1h", "maxSize": "2Gi"}));
        material.write_configuration("uncached.yaml", &json!({"acceptTTL": "0s", "rejectTTL": "0s"}));
        material
    }

    /// The configuration that the documentation shows, but for the cache.
    fn write_configuration(&self, name: &str, cache: &Value) {
        let jwt = json!({
            "issuer": {
                "url": self.issuer.url(),
                "audiences": [AUDIENCE],
                "certificateAuthority": self.issuer.ca_pem(),
            },
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": "oidc:"},
            },
        });
        let configuration = json!({
            "apiVersion": "countersign.dev/v1alpha1",
            "kind": "CountersignConfiguration",
            "server": {
                "address": "127.0.0.1:0",
                "tls": {"certificateFile": "tls.crt", "privateKeyFile": "tls.key"},
                "callers": {"clientCertificateAuthorityFile": "callers-ca.crt"},
                "drain": {"lameDuck": "0s"},
            },
            "admin": {"address": "127.0.0.1:0"},
            "authenticationConfiguration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "AuthenticationConfiguration",
                "jwt": [jwt],
            },
            "cache": cache,
        });
        self.files.write(name, &configuration.to_string());
    }

    /// The same issuer and mapping as the object that gardener's authenticator reads; what it does not say is as by default.
    pub(crate) fn open_id_connect(&self) -> String {
        json!({
            "apiVersion": "authentication.gardener.cloud/v1alpha1",
            "kind": "OpenIDConnect",
            "metadata": {"name": "benches"},
            "spec": {
                "issuerURL": self.issuer.url(),
                "clientID": AUDIENCE,
                "caBundle": BASE64_STANDARD.encode(self.issuer.ca_pem()),
                "usernameClaim": "sub",
                "usernamePrefix": "oidc:",
                "groupsClaim": "groups",
                "groupsPrefix": "oidc:",
            },
        })
        .to_string()
    }

    /// The issuer's URL.
    pub(crate) fn issuer(&self) -> &str {
        self.issuer.url()
    }

    /// How a server at this URL is reached, as the API server would.
    pub(crate) fn connection(&self, url: &str) -> Connection {
        Connection {
            server: url.parse().expect("servers announce URLs"),
            authority_pem: Some(self.authority.certificate_pem().into_bytes()),
            insecure: false,
            tls_server_name: None,
            proxy: None,
            client: Some(ClientCertificate {
                certificate_pem: self.caller.certificate_pem().as_bytes().to_vec(),
                private_key_pem: self.caller.private_key_pem().as_bytes().to_vec().into(),
            }),
            bearer: None,
        }
    }

    /// The published key of a kind.
    pub(crate) fn key(&self, kind: Kind) -> &Arc<SigningKey> {
        &self.keys.iter().find(|(other, _)| *other == kind).expect("there is a key of every kind").1
    }

    /// Good tokens of different users, as providers issue them: about 900 bytes with an RSA signature.
    pub(crate) fn tokens(&self, kind: Kind, users: Range<usize>) -> Vec<BearerToken> {
        users.map(|number| self.token(kind, number).mint()).collect()
    }

    fn token(&self, kind: Kind, number: usize) -> TokenBuilder {
        self.issuer
            .token(self.now)
            .signed_by(self.key(kind))
            .subject(&format!("user-{number:07}"))
            .claim("jti", format!("token-{number}"))
            .expires_at(self.now.saturating_add(GOOD_FOR))
            .claim("email", format!("user-{number:07}@example.com"))
            .claim("name", "A User of the Cluster")
            .claim("sid", "0f8d7a52-4f6c-4b8e-9d0a-5b7a3c1e2f40")
            .groups(&["developers", "operators"])
    }

    /// What should be refused without a signature being looked at.
    pub(crate) fn junk(&self) -> [(&'static str, Vec<BearerToken>); 3] {
        let foreign = self.token(Kind::Es256, 0).issuer("https://elsewhere.example.com").mint();
        [
            ("malformed", vec![BearerToken::from("x".repeat(600).as_str())]),
            ("unknown issuer", vec![foreign]),
            ("oversized", vec![BearerToken::from("x".repeat(BearerToken::MAX_BYTES + 1).as_str())]),
        ]
    }
}

/// The reviews of tokens, as the API server sends them.
pub(crate) fn bodies(tokens: &[BearerToken]) -> Arc<[Box<[u8]>]> {
    let audiences = [API_AUDIENCE.to_owned()];
    let body = |token| Review { version: ReviewVersion::V1, token, audiences: &audiences }.body().into_boxed_slice();
    tokens.iter().map(body).collect()
}
