package crowdstrike

import "testing"

func object(values map[string][]string) fields {
	return func(name string) ([]string, bool) { v, ok := values[name]; return v, ok }
}

func TestFiltersAreReadAsTheVendorDescribesThem(t *testing.T) {
	o := object(map[string][]string{
		"hostname": {"WIN-Anna's"}, "severity": {"70"}, "tags": {"a", "b"}, "created_timestamp": {"2026-11-22T10:00:00.123456Z"}, "empty": nil,
	})
	for filter, want := range map[string]bool{
		"": true, "severity:70": true, "severity:>=70": true, "severity:>70": false, "severity:<80+severity:>60": true,
		"severity:1,severity:70": true, "severity:1+severity:70,severity:70": true, "severity:1+(severity:70,severity:70)": false,
		`hostname:'WIN-Anna\'s'`: true, `hostname:'win-anna\'s'`: false, `hostname:~'win anna'`: true, "hostname:'WIN*'": true, "hostname:'win*'": false,
		"hostname:!'x'": true, "hostname:!~'anna'": false, "hostname:'*nna*'": true, "tags:'b'": true, "tags:['c','b']": true, "tags:!'b'": false,
		"created_timestamp:>='2026-11-22T10:00:00.123Z'": true, "created_timestamp:<='2026-11-22T10:00:00.123Z'": true,
		"created_timestamp:<'2026-11-22T10:00:00Z'": false, "empty:'*'": false, "empty:!'*'": true, "empty:>1": false,
	} {
		c, err := parseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got, err := c(o); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", filter, got, err, want)
		}
	}
	for _, bad := range []string{"x", "severity:", "severity:70)", "(severity:70", "hostname:'x", "tags:['a'", "a b:'x'", "severity:seventy", "severity:70+", "x:'a''b'"} {
		c, err := parseFilter(bad)
		if err == nil {
			_, err = c(o)
		}
		if err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if c, err := parseFilter("nosuch:'x'"); err != nil {
		t.Error(err)
	} else if _, err := c(o); err == nil {
		t.Error("a field that is none is accepted")
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "a:'b'", "a:>=1+(b:!'c',d:['e','f'])", `a:'\''`, "((", "a:*"} {
		f.Add(s)
	}
	o := object(map[string][]string{"a": {"b"}, "b": {"2026-11-22T10:00:00Z"}})
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseFilter(s)
		if err == nil && c == nil {
			t.Fatal("no condition and no error")
		}
		if c != nil {
			if ok, err := c(o); ok && err != nil {
				t.Fatalf("matches and fails: %v", err)
			}
		}
	})
}
