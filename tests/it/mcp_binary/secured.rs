//! ComfyUI behind a proxy that speaks TLS and asks for a name and a password, or for a token.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};

/// Until it is dropped; requests without the right `Authorization` get 401.
struct Gate {
    url: String,
    /// Its certificate, as PEM.
    certificate: String,
    serving: JoinHandle<()>,
}

impl Gate {
    async fn before(server: SocketAddr, authorization: &'static str) -> Self {
        let own = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Self::with(own, server, authorization).await
    }

    async fn with(own: CertifiedKey<KeyPair>, server: SocketAddr, authorization: &'static str) -> Self {
        let CertifiedKey { cert, signing_key } = own;
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = client.read_u8().await else { return };
                        head.push(byte);
                    }
                    let text = String::from_utf8_lossy(&head).to_lowercase();
                    let allowed = text.contains(&format!("authorization: {}\r\n", authorization.to_lowercase()));
                    if !allowed || text.contains("\r\norigin:") {
                        let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                        let _ = client.write_all(answer).await;
                        let _ = client.shutdown().await;
                        return;
                    }
                    // One request a connection, so that every one of them is looked at.
                    let mut behind = TcpStream::connect(server).await.unwrap();
                    let upgrade = text.contains("upgrade: websocket");
                    let end = head.len() - 2;
                    behind.write_all(&head[..end]).await.unwrap();
                    behind
                        .write_all(if upgrade { b"\r\n" } else { b"connection: close\r\n\r\n" })
                        .await
                        .unwrap();
                    let _ = copy_bidirectional(&mut client, &mut behind).await;
                });
            }
        });
        Self {
            url,
            certificate: cert.pem(),
            serving,
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn a_run_through(authorization: &'static str, variables: &[(&'static str, &str)]) {
    let mut bench = Bench::new(Via::Stdio, ERA).await;
    let gate = Gate::before(
        bench.studio.url.trim_start_matches("http://").parse().unwrap(),
        authorization,
    )
    .await;
    let certificate = bench.write("gate.pem", &gate.certificate);
    bench.variables = vec![("SSL_CERT_FILE", certificate)];

    // Without credentials it is said that they are missing.
    let server = bench.start(&gate.url).await;
    server.open().await;
    let last = json!({"workflow": "last", "positive": "a red circle"});
    let said = server.refused("inject_prompt", last).await;
    assert!(
        said.contains("401") && said.contains("PROMPT_CALIBRATOR_COMFYUI_TOKEN"),
        "{said}"
    );
    drop(server);

    // The wrong scheme is named, either way round.
    let plain = gate.url.replace("https://", "http://");
    let doubled = bench.studio.url.replace("http://", "https://");
    for (address, words) in [(&plain, "speaks HTTPS"), (&doubled, "does not speak HTTPS")] {
        let server = bench.start(address).await;
        server.open().await;
        let last = json!({"workflow": "last", "positive": "a red circle"});
        let said = server.refused("inject_prompt", last).await;
        assert!(said.contains(words) && said.contains(address.as_str()), "{said}");
    }

    bench
        .variables
        .extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let server = bench.start(&gate.url).await;
    server.open().await;
    let session = server.session(&bench).await;
    let made = server
        .tool("queue_generation", json!({"session": session, "iteration": 1}))
        .await;
    assert_eq!(made["runs"].as_array().map(Vec::len), Some(1), "{made}");
    assert!(
        !server.log().contains("no WebSocket"),
        "the WebSocket went through too:\n{}",
        server.log()
    );
    let secret = variables.last().unwrap().1;
    assert!(!server.log().contains(secret), "no secret is logged");
    drop(server);

    // A certificate that nobody vouches for is refused, in words that help.
    let CertifiedKey { cert, .. } = generate_simple_self_signed(vec!["elsewhere".to_owned()]).unwrap();
    let another = bench.write("another.pem", cert.pem());
    for (name, value) in &mut bench.variables {
        if *name == "SSL_CERT_FILE" {
            value.clone_from(&another);
        }
    }
    let server = bench.start(&gate.url).await;
    server.open().await;
    let said = server
        .refused("inject_prompt", json!({"workflow": "last", "positive": "a red circle"}))
        .await;
    assert!(said.contains("self-signed") && said.contains("SSL_CERT_FILE"), "{said}");
}

/// As `openssl req -x509` makes one without further words: for any use, an authority's too.
fn of_an_authority() -> CertifiedKey<KeyPair> {
    let signing_key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    wanted.distinguished_name.push(DnType::CommonName, "localhost");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let cert = wanted.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

/// Whatever asks ComfyUI first, the certificate is what it says.
#[tokio::test]
async fn an_authoritys_certificate_is_told_with_how_to_make_another() {
    let mut bench = Bench::new(Via::Stdio, ERA).await;
    let studio = bench.studio.url.trim_start_matches("http://").parse().unwrap();
    let gate = Gate::with(of_an_authority(), studio, "Bearer nobody").await;
    let certificate = bench.write("gate.pem", &gate.certificate);
    bench.variables = vec![("SSL_CERT_FILE", certificate)];
    let server = bench.start(&gate.url).await;
    server.open().await;
    let file = bench.file("workflow.json");
    for (tool, arguments) in [
        ("inject_prompt", json!({"workflow": "last", "positive": "a red circle"})),
        (
            "queue_generation",
            json!({"workflow": file, "positive": "a red circle"}),
        ),
    ] {
        let said = server.refused(tool, arguments).await;
        for word in [
            "an authority",
            "basicConstraints=critical,CA:FALSE",
            "subjectAltName=DNS:HOST",
            &gate.url,
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("CaUsedAsEndEntity"), "{said}");
    }
    // Over plain HTTP the port is told apart from ComfyUI, whatever its certificate.
    let plain = gate.url.replace("https://", "http://");
    drop(server);
    let server = bench.start(&plain).await;
    server.open().await;
    let file = bench.file("workflow.json");
    let said = server
        .refused(
            "queue_generation",
            json!({"workflow": file, "positive": "a red circle"}),
        )
        .await;
    assert!(said.contains("speaks HTTPS"), "{said}");
}

#[tokio::test]
async fn a_name_and_a_password_over_tls() {
    // `printf me:very-secret | base64`
    let expected = "Basic bWU6dmVyeS1zZWNyZXQ=";
    let variables = [
        ("PROMPT_CALIBRATOR_COMFYUI_USER", "me"),
        ("PROMPT_CALIBRATOR_COMFYUI_PASSWORD", "very-secret"),
    ];
    a_run_through(expected, &variables).await;
}

#[tokio::test]
async fn a_token_over_tls() {
    let variables = [("PROMPT_CALIBRATOR_COMFYUI_TOKEN", "very-secret-token")];
    a_run_through("Bearer very-secret-token", &variables).await;
}
