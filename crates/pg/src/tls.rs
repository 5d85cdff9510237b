//! TLS to PostgreSQL, when the URL asks for it (`sslmode=prefer` or `require`).

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connector that trusts the certificates of `ca_pem`, or without it the machine's roots.
pub(crate) fn connector(ca_pem: Option<&str>) -> Result<MakeRustlsConnect, String> {
    // The library asks for the process's default; installing it twice is harmless.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(pem) = ca_pem else {
        // Without any root a server that asks for TLS is refused; one that does not is fine.
        return MakeRustlsConnect::with_native_certs()
            .map_or_else(|_| with_roots(rustls::RootCertStore::empty()), |(found, _)| Ok(found));
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| format!("the CA file is not PEM: {e}"))?;
        roots.add(certificate).map_err(|e| format!("the CA file has a bad certificate: {e}"))?;
    }
    with_roots(roots)
}

fn with_roots(roots: rustls::RootCertStore) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
