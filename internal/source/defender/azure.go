package defender

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azcloud "github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"edrc/internal/fault"
)

// byAzure asks Entra by way of azidentity, which knows how a certificate signs and
// where a machine's identity is. A credential is made for each token: tokens does the
// keeping, and a token that was refused must not come back.
func byAzure(make func(context.Context, azcore.ClientOptions) (azcore.TokenCredential, error), authority string, t http.RoundTripper, now func() time.Time) issuer {
	options := azcore.ClientOptions{
		Cloud:     azcloud.Configuration{ActiveDirectoryAuthorityHost: authority},
		Transport: &http.Client{Transport: t},
	}
	return func(ctx context.Context, scope string) (access, error) {
		credential, err := make(ctx, options)
		if err != nil {
			return access{}, err
		}
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			return access{}, azureFault(ctx, err, scope)
		}
		return access{token.Token, until(now(), int64(token.ExpiresOn.Sub(now())/time.Second))}, nil
	}
}

// certificate signs in with a certificate.
func (o Options) certificate(ctx context.Context, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	certs, key, err := o.readCertificate(ctx)
	if err != nil {
		return nil, err
	}
	c, err := azidentity.NewClientCertificateCredential(o.TenantID, o.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: options,
		// The authority is ours to choose; asking the commercial cloud about it fails where
		// that cannot be reached.
		DisableInstanceDiscovery: true,
	})
	if err != nil {
		return nil, fault.Usagef("certificate: %s", clean(err.Error()))
	}
	return c, nil
}

// identity signs in as the machine that edrc runs on.
func (o Options) identity(_ context.Context, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	mi := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
	if o.ClientID != "" {
		mi.ID = azidentity.ClientID(o.ClientID)
	}
	c, err := azidentity.NewManagedIdentityCredential(mi)
	if err != nil {
		return nil, fault.Usagef("managed_identity: %s", clean(err.Error()))
	}
	return c, nil
}

// azureFault words an error of azidentity.
func azureFault(ctx context.Context, err error, scope string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && e.RawResponse != nil && e.RawResponse.Body != nil {
		body, _ := io.ReadAll(io.LimitReader(e.RawResponse.Body, 64<<10))
		return refusedByEntra(e.RawResponse.StatusCode, body, scope)
	}
	f := fault.New(fault.Unavailable, "%s", clean(err.Error()))
	f.Op = opToken
	if strings.Contains(err.Error(), "ManagedIdentityCredential") {
		f.Kind, f.Hint = fault.Auth, "managed_identity works on a machine in Azure that has an identity; elsewhere use client_secret or certificate"
	}
	return f
}
