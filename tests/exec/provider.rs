//! A provider that keeps one of its answers back until the test lets it go.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use countersign::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use countersign::wiring::pki::{Authority, Validity};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::support::now;

/// A program that asks nothing for this long will not ask any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Discovery, keys, and a token endpoint that rotates.
pub(crate) struct SlowProvider {
    pub(crate) issuer: String,
    /// The PEM of its authority.
    pub(crate) authority: String,
    asked: Receiver<String>,
    go: Sender<()>,
}

impl SlowProvider {
    /// Starts one that holds its answer at this path.
    pub(crate) fn start(held: &'static str) -> Self {
        let validity = Validity::days(now().saturating_sub(Duration::from_secs(3600)), 2);
        let authority = Authority::new("test provider CA", validity).unwrap();
        let (chain, key) = authority.serving_certificate(&["127.0.0.1"], validity).unwrap().to_rustls().unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(tls.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let documents = documents(&issuer);
        let ((asks, asked), (go, gone)) = (channel(), channel());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = BufReader::new(StreamOwned::new(tls, stream.unwrap()));
                let Some((path, body)) = request(&mut stream) else { continue };
                if path == held {
                    let _ = asks.send(body);
                    // Without anybody to let it go, there is nobody to be answered either.
                    let Ok(()) = gone.recv() else { return };
                }
                answer(stream.get_mut(), documents.iter().find(|(name, _)| *name == path).map(|(_, text)| text));
            }
        });
        Self { issuer, authority: authority.certificate_pem(), asked, go }
    }

    /// Waits for the request that is held, and gives its body.
    pub(crate) fn is_asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// Lets the answer go.
    pub(crate) fn answers(&self) {
        self.go.send(()).unwrap();
    }
}

fn documents(issuer: &str) -> [(&'static str, String); 3] {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, "k1").unwrap());
    let metadata =
        json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "token_endpoint": format!("{issuer}/token")});
    let token = TokenBuilder::new(&key).issuer(issuer).subject("subject-of-me").audience("kubectl").issued_at(now());
    let token = token.expires_at(now().saturating_add(Duration::from_secs(600))).mint();
    let tokens = json!({"token_type": "Bearer", "id_token": token.expose_secret(), "refresh_token": "rotated"});
    [
        ("/.well-known/openid-configuration", metadata.to_string()),
        ("/jwks", json!({"keys": [key.jwk()]}).to_string()),
        ("/token", tokens.to_string()),
    ]
}

/// Path and body; nothing from somebody who went away.
fn request(stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>) -> Option<(String, String)> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), String::from_utf8(body).unwrap()))
}

fn answer(stream: &mut StreamOwned<ServerConnection, TcpStream>, document: Option<&String>) {
    let (status, body) = document.map_or(("404 Not Found", ""), |text| ("200 OK", text));
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}
