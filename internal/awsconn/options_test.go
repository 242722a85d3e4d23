package awsconn

import (
	"strings"
	"testing"

	"edrc/internal/fault"
	"edrc/internal/httpx"
)

func TestWhatIsWrongWithTheOptionsIsSaid(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/path/edrc"
	for name, tc := range map[string]struct {
		o    Options
		want string // "" is fine
	}{
		"nothing":          {Options{}, ""},
		"all":              {Options{Regions: []string{"us-east-1", "ap-southeast-2"}, Accounts: []Account{{ID: "111122223333", RoleARN: role, ExternalID: "a/b:c"}, {ID: "222233334444"}}, SourceIdentity: "alice@example.com"}, ""},
		"china":            {Options{Regions: []string{"cn-north-1"}, Accounts: []Account{{ID: "111122223333", RoleARN: strings.Replace(role, "aws", "aws-cn", 1)}}}, ""},
		"loopback":         {Options{EndpointURL: "http://127.0.0.1:5000"}, ""},
		"https endpoint":   {Options{EndpointURL: "https://proxy.example/aws"}, ""},
		"everything":       {Options{Regions: Regions{All, "us-east-1"}, Accounts: Accounts{{ID: All}, {ID: "222233334444"}}, RoleName: "a/b", ExternalID: "x-1"}, ""},
		"by role name":     {Options{Accounts: Accounts{{ID: "222233334444"}}, RoleName: "edrc"}, ""},
		"all, no role":     {Options{Accounts: Accounts{{ID: All}}}, "role_name"},
		"all, own role":    {Options{Accounts: Accounts{{ID: All, RoleARN: role}}, RoleName: "edrc"}, "role_name"},
		"all twice":        {Options{Regions: Regions{All, All}}, "all"},
		"role name an ARN": {Options{RoleName: role}, "role_arn"},
		"role name":        {Options{RoleName: "a b"}, "role_name"},
		"external id":      {Options{RoleName: "edrc", ExternalID: "a b"}, "external_id"},
		"id without role":  {Options{ExternalID: "abc"}, "role_name"},
		"region":           {Options{Regions: []string{"virginia"}}, `"virginia"`},
		"hostile region":   {Options{Regions: []string{"us-east-1.evil.example/"}}, "not a region"},
		"region twice":     {Options{Regions: []string{"us-east-1", "us-east-1"}}, "twice"},
		"two partitions":   {Options{Regions: []string{"us-east-1", "us-gov-west-1"}}, "partitions"},
		"short id":         {Options{Accounts: []Account{{ID: "12345"}}}, "12 digits"},
		"account twice":    {Options{Accounts: []Account{{ID: "111122223333"}, {ID: "111122223333"}}}, "twice"},
		"no role arn":      {Options{Accounts: []Account{{ID: "111122223333", RoleARN: "edrc"}}}, "role_arn"},
		"foreign role":     {Options{Accounts: []Account{{ID: "222233334444", RoleARN: role}}}, "111122223333"},
		"foreign part":     {Options{Regions: []string{"cn-north-1"}, Accounts: []Account{{ID: "111122223333", RoleARN: role}}}, "partition"},
		"idle external id": {Options{Accounts: []Account{{ID: "111122223333", ExternalID: "abc"}}}, "role_arn"},
		"bad external id":  {Options{Accounts: []Account{{ID: "111122223333", RoleARN: role, ExternalID: "a b"}}}, "external_id"},
		"source identity":  {Options{SourceIdentity: "a b"}, "source_identity"},
		"half a key":       {Options{AccessKeyID: "AKIA"}, "secret_access_key"},
		"other half":       {Options{SecretAccessKey: httpx.Literal("s")}, "access_key_id"},
		"token alone":      {Options{SessionToken: httpx.Literal("s")}, "session_token"},
		"key and profile":  {Options{AccessKeyID: "AKIA", SecretAccessKey: httpx.Literal("s"), Profile: "p"}, "profile"},
		"plain http":       {Options{EndpointURL: "http://proxy.example"}, "https"},
		"endpoint's user":  {Options{EndpointURL: "https://user:hunter2@proxy.example"}, "endpoint_url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.o, Env{Name: "aws"})
			if tc.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			e, _ := err.(*fault.Error)
			if e == nil || e.Kind != fault.Usage || e.Source != "aws" || !strings.Contains(e.Msg+e.Hint, tc.want) {
				t.Errorf("%+v, want %q", err, tc.want)
			}
			if strings.Contains(e.Msg+e.Hint, "hunter2") {
				t.Error("the password is in the message")
			}
		})
	}
}

func TestEachRegionHasItsPartition(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws", "ap-southeast-5": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc",
		"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f",
	} {
		if got := Partition(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}
