package source

import (
	"context"
	"errors"

	"edrc/internal/alert"
	"edrc/internal/sample"
)

// Repack is for a product whose archives have a password of its own: it gives a, which
// came under that one, packed anew under the password of its attempt, and closes a. What
// is kept must open in a later process, which knows of no other. An archive without the
// file that is wanted stays as it is, for whoever inspects it to say why.
func Repack(ctx context.Context, a *sample.Archive, spool *sample.Spool, want alert.Hashes, password string) (*sample.Archive, error) {
	if a.Password() == password {
		return a, nil
	}
	c, err := sample.Inspect(ctx, a, spool.Limits, want)
	if sample.ProblemOf(err) != "" {
		return a, nil
	}
	var out *sample.Archive
	if err == nil {
		out, err = repacked(ctx, a, spool, c, password)
	}
	return out, errors.Join(err, a.Close())
}

func repacked(ctx context.Context, a *sample.Archive, spool *sample.Spool, c sample.Contents, password string) (*sample.Archive, error) {
	r, err := sample.OpenFile(ctx, a, spool.Limits, c)
	if err != nil {
		return nil, err
	}
	out, err := spool.Wrap(ctx, r, c.Name, password)
	return out, errors.Join(err, r.Close())
}
