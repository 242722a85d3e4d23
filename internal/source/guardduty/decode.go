package guardduty

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"

	"edrc/internal/alert"
	"edrc/internal/fault"
)

// Decode reads findings that somebody exported, as alerts of the source name. It takes
// any number of JSON values, one after another or one a line: findings as the API has
// them or as the aws command prints them, lists of them, {"findings": […]}, and the
// envelope of EventBridge. What is no finding is a *source.BadItem and the reading goes
// on; an error about the text itself is fault.Invalid and the last.
//
// Such an alert stands in no account that edrc reads: it has no locator, and cannot be
// annotated or resolved.
func Decode(r io.Reader, name string) iter.Seq2[alert.Alert, error] {
	return func(yield func(alert.Alert, error) bool) {
		in := bufio.NewReader(r)
		if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\ufeff")) {
			_, _ = in.Discard(3)
		}
		d := json.NewDecoder(in)
		for {
			var value json.RawMessage
			err := d.Decode(&value)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(alert.Alert{}, textError(d, err))
				return
			}
			if !unwrap(value, 0, func(raw json.RawMessage) bool { return yieldFinding(name, raw, yield) }) {
				return
			}
		}
	}
}

func textError(d *json.Decoder, err error) error {
	if _, syntax := errors.AsType[*json.SyntaxError](err); !syntax && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.KindOf(err), "the file cannot be read: %w", err)
	}
	return fault.New(fault.Invalid, "the text after byte %d is not JSON: %w", d.InputOffset(), err).
		WithHint("an export is JSON: `aws guardduty get-findings`, an S3 export (unpacked), or EventBridge events")
}

// maxNesting bounds how deep findings may be wrapped.
const maxNesting = 5

// unwrap calls each with every finding in a value, and reports whether to go on.
func unwrap(value json.RawMessage, depth int, each func(json.RawMessage) bool) bool {
	value = bytes.TrimSpace(value)
	if depth > maxNesting || len(value) == 0 {
		return each(value)
	}
	if value[0] == '[' {
		var items []json.RawMessage
		if json.Unmarshal(value, &items) != nil {
			return each(value)
		}
		for _, item := range items {
			if !unwrap(item, depth+1, each) {
				return false
			}
		}
		return true
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return each(value)
	}
	if inner, ok := wrapped(object); ok {
		return unwrap(inner, depth+1, each)
	}
	return each(value)
}

// wrapped gives what an envelope holds: {"findings": […]} of the API, in either spelling,
// and {"detail-type": "GuardDuty Finding", "detail": {…}} of EventBridge.
func wrapped(object map[string]json.RawMessage) (json.RawMessage, bool) {
	fields := map[string]json.RawMessage{}
	for name, value := range object {
		fields[strings.ToLower(name)] = value
	}
	if _, finding := fields["resource"]; finding && fields["id"] != nil && fields["service"] != nil {
		return nil, false
	}
	if inner, ok := fields["findings"]; ok {
		return inner, true
	}
	inner, ok := fields["detail"]
	return inner, ok && fields["detail-type"] != nil
}

func yieldFinding(name string, raw json.RawMessage, yield func(alert.Alert, error) bool) bool {
	f, err := decodeFinding(raw)
	if err != nil {
		other := badItem(raw, err)
		if bytes.Contains(raw, []byte("ProductArn")) {
			other.Reason = "it is a finding of Security Hub: export it from GuardDuty"
		}
		return yield(alert.Alert{}, other)
	}
	return yield(f.alert(name, bytes.Clone(raw), locator{}, nil), nil)
}
