package safe

import "testing"

func TestAPatternIsCompiledOnceItIsUsed(t *testing.T) {
	p := Pattern(`^\d+$`)
	first := p()
	if again := p(); !first.MatchString("12") || first.MatchString("a") || again != first {
		t.Error("the pattern is not the one that was given, or another each time")
	}
	bad := Pattern("(")
	defer func() {
		if recover() == nil {
			t.Error("an expression that is none did not panic")
		}
	}()
	bad()
}
