package report

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"

	"edrc/internal/fault"
	"edrc/internal/safe"
)

// compileJQ compiles an expression. It sees no environment and no modules.
func compileJQ(expr string) (*gojq.Code, error) {
	query, err := gojq.Parse(expr)
	if pe, ok := errors.AsType[*gojq.ParseError](err); ok {
		// Offset is where reading stopped: the token ends there.
		at := max(0, min(pe.Offset, len(expr))-len(pe.Token))
		column := utf8.RuneCountInString(expr[:at])
		e := fault.Usagef("--jq: %s at character %d", pe.Error(), column+1)
		if strings.ContainsAny(expr, "\t\n") {
			return nil, e
		}
		return nil, e.WithHint("%s\n%s^", expr, strings.Repeat(" ", column))
	}
	if err != nil {
		return nil, fault.Usagef("--jq: %w", err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, fault.Usagef("--jq: %w", err)
	}
	return code, nil
}

// runJQ gives each result on a line: strings as they are, all else as JSON.
func runJQ(ctx context.Context, expr string, v any) ([]byte, error) {
	code, err := compileJQ(expr)
	if err != nil {
		return nil, err
	}
	input, err := generic(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	results := code.RunWithContext(ctx, input)
	for {
		result, ok := results.Next()
		if !ok {
			return out.Bytes(), nil
		}
		switch r := result.(type) {
		case error:
			if halt, ok := errors.AsType[*gojq.HaltError](r); ok && halt.Value() == nil {
				return out.Bytes(), nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return out.Bytes(), fault.Usagef("--jq: %w", r)
		case string:
			out.WriteString(safe.Text(r))
		default:
			b, err := gojq.Marshal(r)
			if err != nil {
				return out.Bytes(), fault.Usagef("--jq: %w", err)
			}
			out.Write(escape(b))
		}
		out.WriteByte('\n')
	}
}
