package awsconn

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"edrc/internal/fault"
)

func TestARefusalNamesActionAndResource(t *testing.T) {
	c, err := New(Options{Regions: []string{"us-east-1"}}, Env{Name: "aws"})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(code, text string) error {
		return &smithy.OperationError{ServiceID: "EC2", OperationName: "StopInstances", Err: &smithy.GenericAPIError{Code: code, Message: text}}
	}
	for _, tc := range []struct {
		err        error
		msg, never string
	}{
		{On(refused("UnauthorizedOperation", "no"), "instance i-1"), "UnauthorizedOperation: no (ec2:StopInstances on instance i-1 is needed)", ""},
		{On(refused("UnauthorizedOperation", "no"), ""), "(ec2:StopInstances is needed)", " on "},
		{refused("UnauthorizedOperation", "no. Encoded authorization failure message: AbC"), "no. (ec2:StopInstances is needed)", "AbC"},
		{On(refused("IncorrectInstanceState", "it is pending"), "instance i-1"), "it is pending", "is needed"},
		{On(errors.New("odd"), "instance i-1"), "odd", "i-1"},
	} {
		f, ok := errors.AsType[*fault.Error](c.Explain(tc.err, "111122223333", "us-east-1"))
		if !ok || !strings.Contains(f.Msg, tc.msg) || tc.never != "" && strings.Contains(f.Msg, tc.never) {
			t.Errorf("%v: %+v", tc.err, f)
		}
		if strings.Contains(tc.msg, "on instance") && !strings.Contains(f.Hint, "allow ec2:StopInstances on instance i-1 to") {
			t.Errorf("the hint is %q", f.Hint)
		}
	}
	if On(nil, "x") != nil {
		t.Error("nothing became an error")
	}
}
