package defender

import (
	"context"
	"crypto"
	"crypto/x509"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"edrc/internal/fault"
)

// readCertificate resolves and parses the certificate and its key.
func (o Options) readCertificate(ctx context.Context) ([]*x509.Certificate, crypto.PrivateKey, error) {
	data, err := o.Certificate.Reveal(ctx)
	if err != nil {
		return nil, nil, err
	}
	var password []byte
	if o.CertificatePassword.IsSet() {
		p, err := o.CertificatePassword.Reveal(ctx)
		if err != nil {
			return nil, nil, err
		}
		password = []byte(p)
	}
	certs, key, err := azidentity.ParseCertificates([]byte(data), password)
	if err != nil {
		// The parser may quote what it read, which is the key.
		return nil, nil, fault.Usagef("certificate: it is not a PEM or PFX file with a certificate and a private key").
			WithHint("a key in a PEM file must not be encrypted; for a PFX set certificate_password")
	}
	return certs, key, nil
}

// expires is the end of the certificate, zero when another credential is used.
func (o Options) expires(ctx context.Context) time.Time {
	if !o.Certificate.IsSet() {
		return time.Time{}
	}
	certs, _, err := o.readCertificate(ctx)
	if err != nil || len(certs) == 0 {
		return time.Time{}
	}
	return certs[0].NotAfter
}
