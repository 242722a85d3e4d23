package guardduty

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"edrc/internal/alert"
	"edrc/internal/awsconn"
	"edrc/internal/lab/aws"
	"edrc/internal/lab/world"
	"edrc/internal/source"
	"edrc/internal/source/sourcetest"
)

// hostile are file names as attackers choose them.
func hostile() []string { return sourcetest.Hostile() }

// worldFiles are the files of the simulated findings.
func worldFiles() []world.File {
	var out []world.File
	for i, name := range append(hostile(), "eicar.com", "dropper", "miner") {
		out = append(out, sourcetest.File(name+".bin", fmt.Sprint("file ", i)))
		out[i].Malicious = i%2 == 0
	}
	return out
}

// vendor is the simulated AWS on a loopback port.
type vendor struct {
	sourcetest.Lab
	lab     *aws.Vendor
	options Options
	copies  copies
}

func newVendor(t testing.TB, o world.Options, own aws.Options) *vendor {
	t.Helper()
	if o.Files == nil {
		o.Files = worldFiles()
	}
	v := &vendor{lab: aws.New(o, own)}
	v.Lab = sourcetest.NewLab(t, v.lab, `{"findings":[`, Kind, &v.options)
	return v
}

func (v *vendor) Source(t *testing.T, timeout time.Duration) source.Source {
	return v.client(t, timeout)
}

func (v *vendor) client(t testing.TB, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(v.options, Env{Name: "aws-lab", Notes: v.copies.notes, KeepNote: v.copies.keep, HTTP: v.HTTP(t, timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (v *vendor) Add(_ *testing.T, n int, age time.Duration, equal bool) []string {
	return v.lab.Add(aws.Request{Count: n, Age: age, Equal: equal, Feedback: "USEFUL"})
}

func (v *vendor) Revoke(t *testing.T) {
	t.Helper()
	v.Control(t, "revoke", nil)
}

// copies are the notes that edrc keeps of its own.
type copies struct {
	mu sync.Mutex
	by map[string][]alert.Note
}

func (c *copies) notes(_ context.Context, id string) ([]alert.Note, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.by[id]), nil
}

func (c *copies) keep(_ context.Context, id string, n alert.Note) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string][]alert.Note{}
	}
	c.by[id] = append(c.by[id], n)
	return nil
}

// withRoles configures every account of the lab, each with its role.
func (v *vendor) withRoles() {
	v.options.Accounts = []awsconn.Account{{ID: "111122223333"}}
	for _, id := range []string{"222233334444", "333344445555"} {
		v.options.Accounts = append(v.options.Accounts, awsconn.Account{ID: id, RoleARN: "arn:aws:iam::" + id + ":role/" + aws.Role, ExternalID: aws.ExternalID(id)})
	}
}

// Alerts is how many findings a region has.
func (v *vendor) Alerts(region string) int {
	n := 0
	for _, account := range []string{"111122223333", "222233334444", "333344445555"} {
		n += len(v.lab.IDs(account, region))
	}
	return n
}

// coverage is the table of a check, whatever else the check says.
func coverage(ctx context.Context, c *Client) ([]source.Coverage, error) {
	table, _, err := c.coverage(ctx)
	return table, err
}
