//! Everything a first look needs, made in a moment: an issuer, certificates, configuration files, and three tokens.
//!
//! [`Trial::prepare`] starts the issuer and writes the folder; whoever called it starts the service from
//! [`Trial::config`] and asks it with [`Trial::reviewer`], like any operator would.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::folder::{Folder, FolderError};
use super::issuer::{Algorithm, Endpoint, Issuer, IssuerError, IssuerOptions, KeyError};
use crate::clock::UnixTime;
use crate::token::BearerToken;
use crate::wiring::file::Access;
use crate::wiring::kubeconfig::{ClientCertificate, Connection};
use crate::wiring::pki::{Authority, Identity, PkiError, Validity};
use crate::wiring::reviewer::{Answer, Judgement, NoAnswer, Review, ReviewVersion, Reviewer, ReviewerError};

/// What kube-apiserver asks tokens to be good for, unless it is told otherwise.
pub const API_AUDIENCE: &str = "https://kubernetes.default.svc";

/// The name in the client certificate of the API server.
const CALLER: &str = "kube-apiserver";

/// The audience of the issuer's tokens: what would be the client id at a real provider.
const CLIENT_ID: &str = "countersign-dev";

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A working day, so that nobody has to make a new token while playing.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60 * 60);

/// How long the service may take to have the issuer's keys; on loopback it takes milliseconds.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// Between two looks at whether it has them.
const READY_PAUSE: Duration = Duration::from_millis(20);

/// What can be chosen about a trial.
#[derive(Clone, Debug, Default)]
pub struct TrialOptions {
    /// Where the files go; a new folder for temporary files by default.
    pub directory: Option<PathBuf>,
    /// Where the webhook listens; a free port on loopback by default.
    pub address: Option<SocketAddr>,
    /// Where metrics and health are served; a free port on loopback by default.
    pub admin_address: Option<SocketAddr>,
}

/// A trial that cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The folder or a file in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A token.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no free port.
    #[error("{address}: no port to listen on; choose another --address")]
    Port {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A certificate.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The client for the self-review.
    #[error(transparent)]
    Reviewer(#[from] ReviewerError),
}

/// A token to try, and what should become of it.
pub struct Sample {
    /// The token's file in the folder.
    pub file: String,
    /// The whole request's file in the folder, for `curl`.
    pub review_file: String,
    /// The token.
    pub token: BearerToken,
    /// Whether it should be accepted.
    pub is_good: bool,
}

/// A prepared trial. Its issuer runs until this is dropped.
pub struct Trial {
    folder: Folder,
    issuer: Issuer,
    samples: Vec<Sample>,
    connection: Connection,
    /// When the service should have the issuer's keys at the latest.
    ready_by: Instant,
}

/// The certificates of a trial.
struct Certificates {
    serving_ca: Authority,
    serving: Identity,
    callers_ca: Authority,
    caller: Identity,
}

impl Trial {
    /// Starts the issuer and writes all files.
    ///
    /// # Errors
    /// If the folder cannot be used, or there is no port to listen on.
    pub async fn prepare(options: TrialOptions, now: UnixTime) -> Result<Self, TrialError> {
        let folder = Folder::prepare(options.directory.as_deref())?;
        let (address, admin_address) = addresses(&options)?;
        let certificates = Certificates::make(address.ip(), now)?;
        let issuer_options = IssuerOptions {
            algorithms: vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
            audience: CLIENT_ID.to_owned(),
            ..IssuerOptions::default()
        };
        let issuer = Issuer::start(issuer_options, now).await?;
        let samples = samples(&issuer, now)?;
        let connection = certificates.connection(address);
        let ready_by = Instant::now() + READY_DEADLINE;
        let trial = Self { folder, issuer, samples, connection, ready_by };
        trial.write_certificates(&certificates)?;
        trial.write_configuration(address, admin_address)?;
        trial.write_samples()?;
        Ok(trial)
    }

    /// The folder with all files.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The configuration file to start the service from.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.file("config.yaml")
    }

    /// The embedded issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The three tokens: the good one first.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Where reviews are posted.
    #[must_use]
    pub fn webhook(&self) -> &Url {
        &self.connection.server
    }

    /// A client that is to the webhook what kube-apiserver will be.
    ///
    /// # Errors
    /// If the TLS material cannot be used, which would be a bug.
    pub fn reviewer(&self) -> Result<Reviewer, TrialError> {
        Ok(Reviewer::new(&self.connection)?)
    }

    /// Asks about a sample until there is a verdict: right after the start the service may still be fetching keys.
    ///
    /// # Errors
    /// If the webhook does not answer.
    pub async fn ask(&self, reviewer: &Reviewer, sample: &Sample) -> Result<(Answer, Judgement), NoAnswer> {
        let audiences = [API_AUDIENCE.to_owned()];
        let review = review(&sample.token, &audiences);
        // Keys are asked for at once after the start; before they are, a question is too early.
        let _ = tokio::time::timeout_at(self.ready_by, self.issuer.wait_for(Endpoint::Keys, 1)).await;
        loop {
            let answer = reviewer.post(&review).await?;
            let judgement = answer.judge(review.version, review.audiences);
            if !matches!(judgement, Judgement::Undecided(_)) || Instant::now() > self.ready_by {
                return Ok((answer, judgement));
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    }

    fn write_certificates(&self, certificates: &Certificates) -> Result<(), FolderError> {
        let Certificates { serving_ca, serving, callers_ca, caller } = certificates;
        let public = |name: &str, pem: &str| self.folder.write(name, pem.as_bytes(), Access::Public);
        let private = |name: &str, pem: &str| self.folder.write(name, pem.as_bytes(), Access::Private);
        public("ca.crt", &serving_ca.certificate_pem())?;
        public("tls.crt", serving.certificate_pem())?;
        private("tls.key", serving.private_key_pem())?;
        public("callers-ca.crt", &callers_ca.certificate_pem())?;
        public("caller.crt", caller.certificate_pem())?;
        private("caller.key", caller.private_key_pem())?;
        private("webhook.kubeconfig", &self.connection.to_yaml("countersign-dev"))
    }

    fn write_configuration(&self, address: SocketAddr, admin_address: SocketAddr) -> Result<(), FolderError> {
        let configuration = configuration(address, admin_address);
        let authentication = authentication(self.issuer.url(), self.issuer.ca_pem());
        self.folder.write("config.yaml", configuration.as_bytes(), Access::Public)?;
        self.folder.write("authentication.yaml", authentication.as_bytes(), Access::Public)
    }

    fn write_samples(&self) -> Result<(), FolderError> {
        let audiences = [API_AUDIENCE.to_owned()];
        for sample in &self.samples {
            let token = Zeroizing::new(format!("{}\n", sample.token.expose_secret()));
            self.folder.write(&sample.file, token.as_bytes(), Access::Private)?;
            let body = Zeroizing::new(review(&sample.token, &audiences).body());
            self.folder.write(&sample.review_file, &body, Access::Private)?;
        }
        Ok(())
    }
}

impl Certificates {
    fn make(address: IpAddr, now: UnixTime) -> Result<Self, PkiError> {
        // An hour back for clocks that lag behind; two days on for who leaves it running overnight.
        let validity = Validity::days(now.saturating_sub(HOUR), 2);
        let serving_ca = Authority::new("countersign dev serving CA", validity)?;
        let callers_ca = Authority::new("countersign dev callers CA", validity)?;
        let address = address.to_string();
        let serving = serving_ca.serving_certificate(&["localhost", "127.0.0.1", "::1", &address], validity)?;
        let caller = callers_ca.client_certificate(CALLER, &[], validity)?;
        Ok(Self { serving_ca, serving, callers_ca, caller })
    }

    fn connection(&self, address: SocketAddr) -> Connection {
        let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
        let url = format!("https://{}/authenticate", SocketAddr::new(host, address.port()));
        let server = Url::parse(&url).expect("an address and a path are a URL");
        let authority_pem = Some(self.serving_ca.certificate_pem().into_bytes());
        Connection { client: Some(ClientCertificate::from(&self.caller)), ..Connection::to(server, authority_pem) }
    }
}

/// The review of a token as the trial asks for it.
#[must_use]
pub fn review<'a>(token: &'a BearerToken, audiences: &'a [String]) -> Review<'a> {
    Review { version: ReviewVersion::V1, token, audiences }
}

fn samples(issuer: &Issuer, now: UnixTime) -> Result<Vec<Sample>, KeyError> {
    let good = issuer.token(now).expires_at(now.saturating_add(GOOD_FOR));
    let yesterday = now.saturating_sub(24 * HOUR);
    let expired = issuer.token(yesterday).expires_at(yesterday.saturating_add(HOUR));
    let foreign = good.clone().audience("another-cluster");
    let samples = [("good", good, true), ("expired", expired, false), ("wrong-audience", foreign, false)];
    samples
        .into_iter()
        .map(|(name, token, is_good)| {
            let (file, review_file) = (format!("{name}.jwt"), format!("review-{name}.json"));
            Ok(Sample { file, review_file, token: token.try_mint()?, is_good })
        })
        .collect()
}

/// Both addresses with their final ports: files name them before anybody listens.
fn addresses(options: &TrialOptions) -> Result<(SocketAddr, SocketAddr), TrialError> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // Both are held until both are known, so that they differ.
    let (address, _held) = free_port(options.address.unwrap_or(loopback))?;
    let (admin_address, _held) = free_port(options.admin_address.unwrap_or(loopback))?;
    Ok((address, admin_address))
}

fn free_port(address: SocketAddr) -> Result<(SocketAddr, TcpListener), TrialError> {
    let bound = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
    bound.map_err(|cause| TrialError::Port { address, cause })
}

fn configuration(address: SocketAddr, admin_address: SocketAddr) -> String {
    format!(
        "\
# Made by `countersign dev`: throw-away keys, for a trial on this machine.
apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
server:
  address: \"{address}\"
  tls:
    certificateFile: tls.crt
    privateKeyFile: tls.key
  callers:
    clientCertificateAuthorityFile: callers-ca.crt
    allowedNames: [{CALLER}]
admin:
  address: \"{admin_address}\"
# Kubernetes' own file, as kube-apiserver would read it.
authenticationConfigurationFile: authentication.yaml
log:
  format: text
"
    )
}

fn authentication(issuer: &str, ca_pem: &str) -> String {
    let ca: String = ca_pem.lines().map(|line| format!("        {line}\n")).collect();
    format!(
        "\
# Made by `countersign dev`. With a real provider: its URL, your client id, and no certificateAuthority.
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer:
      url: {issuer}
      audiences: [{CLIENT_ID}]
      certificateAuthority: |
{ca}    claimMappings:
      username: {{claim: email, prefix: \"dev:\"}}
      groups: {{claim: groups, prefix: \"dev:\"}}
"
    )
}

#[cfg(test)]
mod tests;
