package guardduty

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"edrc/internal/awsconn"
	"edrc/internal/awsconn/mototest"
	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// TestAnOrganisationIsFoundOut asks moto: accounts on two pages, and the enabled regions.
func TestAnOrganisationIsFoundOut(t *testing.T) {
	url := mototest.Start(t).URL
	o := Options{Options: awsconn.Options{EndpointURL: url, AccessKeyID: "AKIAEXAMPLE123456789", SecretAccessKey: httpx.Literal("secret"),
		Regions: awsconn.Regions{"us-east-1"}, Accounts: awsconn.Accounts{{ID: awsconn.All}}, RoleName: "edrc", ExternalID: "x-1"}}
	connect := func(change func(*Options)) *Client {
		mine := o
		change(&mine)
		c, err := New(mine, Env{Name: "aws", HTTP: httpx.Config{Transport: httpx.NewTransport()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	none := connect(func(*Options) {})
	if _, err := coverage(t.Context(), none); err == nil || fault.Is(err, fault.Partial) {
		t.Errorf("an account without an organisation: %v", err)
	}
	own := connect(func(o *Options) { o.Accounts, o.RoleName, o.ExternalID = nil, "", "" })
	cfg, err := own.conn.For(t.Context(), "", "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	org := organizations.NewFromConfig(cfg)
	if _, err := org.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{}); err != nil {
		t.Fatal(err)
	}
	for i := range 22 {
		name := fmt.Sprintf("a%d", i)
		if _, err := org.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: &name, Email: aws.String(name + "@example.com")}); err != nil {
			t.Fatal(err)
		}
	}
	table, err := coverage(t.Context(), connect(func(*Options) {}))
	if err != nil || len(table) != 23 {
		t.Fatalf("%d rows, %v", len(table), err)
	}
	for _, row := range table {
		if row.State != StateOff {
			t.Errorf("%+v", row)
		}
	}
	table, err = coverage(t.Context(), connect(func(o *Options) {
		o.Accounts, o.RoleName, o.ExternalID, o.Regions = nil, "", "", awsconn.Regions{awsconn.All, "eu-central-1"}
	}))
	var regions []string
	for _, row := range table {
		regions = append(regions, row.Region)
	}
	if err != nil || len(regions) < 15 || regions[0] != "eu-central-1" || !slices.Contains(regions, "us-east-1") {
		t.Errorf("%q, %v: %+v", regions, err, table)
	}
}
