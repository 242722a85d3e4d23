package defender

import (
	"errors"

	"edrc/internal/fault"
)

func hintOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Hint
	}
	return ""
}
