//! What went wrong between two ends of TLS, out of a failed exchange, and the file of certificates that the user names.

use std::error::Error;
use std::io;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, InvalidMessage, OtherError};

use super::error::ComfyError;

/// The variable that names the certificates to trust, which the library reads by itself.
pub const CERTIFICATES: &str = "SSL_CERT_FILE";

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// Nobody whom this machine trusts vouches for it.
    #[error("its certificate was issued by nobody whom this machine trusts (a self-signed one?)")]
    Unknown,
    /// It is that of an authority, which vouches for others and stands for no server.
    #[error(
        "its certificate says of itself that it is an authority (CA:TRUE), and such a one is not taken for a server's own"
    )]
    Authority,
    /// Its time is over.
    #[error("its certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("its certificate is not valid yet, or this machine's clock is wrong")]
    NotYet,
    /// It is another server's.
    #[error("its certificate is for another name than the one in the address")]
    OtherName,
    /// Anything else.
    #[error("its certificate is not accepted ({0})")]
    Other(String),
}

impl BadCertificate {
    /// What to do next.
    pub(super) fn hint(&self) -> String {
        const MADE_ANEW: &str = "-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST";
        match self {
            Self::Unknown | Self::Other(_) => format!(
                "If it is your own certificate, name its PEM file in the environment variable {CERTIFICATES} of this server, or add it to the system's trusted certificates; in a network of your own an http:// address does as well."
            ),
            Self::Authority => format!(
                "Make one that is none (`openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=HOST {MADE_ANEW}`, with IP:ADDRESS where the address is a number), let the proxy use it, and name its PEM file in the environment variable {CERTIFICATES} of this server."
            ),
            Self::Expired => "Renew the certificate where ComfyUI or its proxy has it.".into(),
            Self::NotYet => "Set this machine's clock, or that of the machine that made the certificate.".into(),
            Self::OtherName => "Use the name that the certificate is for as the address, or make one that is for the address (subjectAltName=DNS:HOST, or IP:ADDRESS).".into(),
        }
    }
}

/// Makes sure that the file in [`CERTIFICATES`] holds certificates: the library passes over one that holds none.
///
/// # Errors
/// [`ComfyError::CertificateFile`].
pub(super) fn check_file(path: &Path) -> Result<(), ComfyError> {
    let failed = |reason: String| ComfyError::CertificateFile {
        path: path.to_owned(),
        reason,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let mut trouble = None;
    for certificate in certificates {
        match certificate {
            Ok(_) => return Ok(()),
            Err(error) => trouble = Some(error),
        }
    }
    let trouble = trouble.map(|error| format!(" ({error})")).unwrap_or_default();
    Err(failed(format!("holds no certificate in PEM form{trouble}")))
}

/// Why no safe connection came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsTrouble {
    /// The server showed a certificate that is not accepted.
    Certificate(BadCertificate),
    /// The other side does not speak TLS.
    NotTls,
}

/// What an error says of TLS; nothing when it came from elsewhere.
pub(super) fn trouble(error: &(dyn Error + 'static)) -> Option<TlsTrouble> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(error)) => {
                return Some(TlsTrouble::Certificate(BadCertificate::from(error)));
            }
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => return Some(TlsTrouble::NotTls),
            _ => {}
        }
        // An I/O error does not name the error it carries as its source, and may carry another one of its kind.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

impl From<&CertificateError> for BadCertificate {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Unknown,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
            CertificateError::Other(OtherError(error))
                if matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
            {
                Self::Authority
            }
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn trouble_with_tls_is_found_in_what_carries_it() {
        let carried = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let authority = OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        for (error, expected) in [
            (CertificateError::UnknownIssuer, BadCertificate::Unknown),
            (CertificateError::BadSignature, BadCertificate::Unknown),
            (CertificateError::Expired, BadCertificate::Expired),
            (CertificateError::NotValidYet, BadCertificate::NotYet),
            (CertificateError::NotValidForName, BadCertificate::OtherName),
            (CertificateError::Other(authority), BadCertificate::Authority),
        ] {
            let expected = Some(TlsTrouble::Certificate(expected));
            let error = rustls::Error::InvalidCertificate(error);
            assert_eq!(trouble(&error), expected);
            // As the layers of the HTTP client hand it up: one I/O error within another.
            assert_eq!(trouble(&carried(error.clone())), expected);
            assert_eq!(trouble(&io::Error::other(carried(error))), expected);
        }
        let plain = || carried(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
        assert_eq!(trouble(&plain()), Some(TlsTrouble::NotTls));
        assert_eq!(trouble(&io::Error::other(plain())), Some(TlsTrouble::NotTls));
        assert_eq!(trouble(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(trouble(&io::Error::other(refused)), None);
        let revoked = rustls::Error::InvalidCertificate(CertificateError::Revoked);
        assert!(matches!(
            trouble(&revoked),
            Some(TlsTrouble::Certificate(BadCertificate::Other(_)))
        ));
    }

    #[test]
    fn a_file_of_certificates_that_holds_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let check = |content: &str| {
            let path = folder.path().join("named.pem");
            std::fs::write(&path, content).unwrap();
            check_file(&path)
        };
        let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for content in ["", "root:x:0:0\n", broken, key] {
            let error = check(content).unwrap_err();
            let told = error.to_string();
            assert!(told.contains("named.pem") && told.contains(CERTIFICATES), "{told}");
            assert!(error.hint().contains(CERTIFICATES), "{}", error.hint());
        }
        let told = check_file(&folder.path().join("missing.pem")).unwrap_err().to_string();
        assert!(
            told.contains("missing.pem") && told.contains("cannot be read"),
            "{told}"
        );
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(check(&format!("a comment\n{key}{certificate}")), Ok(()));
    }
}
