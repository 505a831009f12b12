//! L, the limit: hyper behind the product's TLS settings and HTTP limits, which reads a review and answers always the same.
//!
//! It is as plain as a server can be that does the same input and output: it decides nothing and counts nothing, and it
//! writes as hyper does by itself. What the product costs beyond it is what deciding costs; where the product is below it, the
//! way in which answers are put together has saved that.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use countersign::limits::Limits;
use countersign::server::connection::{h1, h2};
use countersign::server::tls::server_config;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// As long as the product's answer about the same token.
const ANSWER: &str = concat!(
    r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"spec":{},"status":{"#,
    r#""authenticated":true,"user":{"username":"oidc:alice@example.com","uid":"alice","groups":["oidc:developers","#,
    r#""oidc:operators"],"extra":{"authentication.kubernetes.io/credential-id":["JTI=0f8d7a52-4f6c-4b8e"]}},"#,
    r#""audiences":["https://kubernetes.default.svc"]}}"#,
);

/// Serves until the process is ended.
pub(crate) fn serve(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let acceptor = TlsAcceptor::from(tls(folder));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        println!("ready https://{address}/authenticate");
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = socket.set_nodelay(true);
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let (io, limits) = (TokioIo::new(stream), Limits::default());
                if is_h2 {
                    let _ = h2(&limits, TokioExecutor::new()).serve_connection(io, service_fn(answer)).await;
                } else {
                    let _ = h1(&limits).serve_connection(io, service_fn(answer)).await;
                }
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from_static(ANSWER.as_bytes()))).expect("the parts are constants"))
}

/// The product's own TLS, with callers that must show a certificate.
fn tls(folder: &Path) -> Arc<ServerConfig> {
    let read = |name| std::fs::read(folder.join(name)).expect("the file was written");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read("callers-ca.crt")).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    server_config(&read("tls.crt"), &read("tls.key"), Some(verifier.expect("there is an authority"))).expect("a pair")
}
