//! What went wrong between two ends of TLS, out of a failed exchange.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

/// Why no safe connection came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsTrouble {
    /// The server showed a certificate that is not accepted.
    Certificate(String),
    /// The other side does not speak TLS.
    NotTls,
}

/// What an error says of TLS; nothing when it came from elsewhere.
pub(super) fn trouble(error: &(dyn Error + 'static)) -> Option<TlsTrouble> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error does not name the error it carries as its source.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = carried
            .and_then(|carried| carried.downcast_ref::<rustls::Error>())
            .or_else(|| error.downcast_ref());
        match found {
            Some(rustls::Error::InvalidCertificate(error)) => {
                return Some(TlsTrouble::Certificate(in_words(error)));
            }
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => return Some(TlsTrouble::NotTls),
            _ => next = error.source(),
        }
    }
    None
}

fn in_words(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate was issued by nobody whom this machine trusts (a self-signed one?)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name than the one in the address".to_owned()
        }
        other => format!("its certificate is not accepted ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_tls_is_found_in_what_carries_it() {
        let carried = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let unknown = carried(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let plain = carried(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
        for (error, word) in [
            (&unknown as &(dyn Error + 'static), "self-signed"),
            (&expired as &(dyn Error + 'static), "expired"),
        ] {
            let found = trouble(error);
            assert!(
                matches!(&found, Some(TlsTrouble::Certificate(why)) if why.contains(word)),
                "{found:?}"
            );
        }
        assert_eq!(trouble(&plain), Some(TlsTrouble::NotTls));
        assert_eq!(trouble(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
