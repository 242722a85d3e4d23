package lenient

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

type thing struct {
	Name Text  `json:"name"`
	Size int   `json:"size"`
	Kids Count `json:"kids"`
}

func TestEachTypeTakesWhatReplyHasAndIsZeroOtherwise(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in   string
		into any
		want any
	}{
		{`"a\u0041"`, new(Text), Text("aA")},
		{`"plain"`, new(Text), Text("plain")},
		{`90071992547409931234`, new(Text), Text("90071992547409931234")},
		{`null`, new(Text), Text("")},
		{`true`, new(Text), Text("")},
		{`{"a":1}`, new(Text), Text("")},
		{`"True"`, new(Flag), Flag{true, true}},
		{`false`, new(Flag), Flag{Known: true}},
		{`"perhaps"`, new(Flag), Flag{}},
		{`"12"`, new(Count), Count(12)},
		{`-3`, new(Count), Count(0)},
		{`1.5`, new(Count), Count(0)},
		{`"2026-03-01T12:00:00Z"`, new(Stamp), Stamp{noon}},
		{`"2026-03-01T13:00:00+0100"`, new(Stamp), Stamp{noon}},
		{`"2026-03-01T12:00:00"`, new(Stamp), Stamp{noon}},
		{`"2026-03-01 12:00:00"`, new(Stamp), Stamp{noon}},
		{`1772366400`, new(Stamp), Stamp{noon}},
		{`1772366400000`, new(Stamp), Stamp{noon}},
		{`"1772366400000"`, new(Stamp), Stamp{noon}},
		{`"0001-01-01T00:00:00Z"`, new(Stamp), Stamp{}},
		{`"0001-01-01T01:00:00Z"`, new(Stamp), Stamp{}},
		{`-1`, new(Stamp), Stamp{}},
		{`1e300`, new(Stamp), Stamp{}},
		{`"soon"`, new(Stamp), Stamp{}},
		{`["a",1,null,{"x":1}]`, new(List[Text]), List[Text]{"a", "1", ""}},
		{`"alone"`, new(List[Text]), List[Text]{"alone"}},
		{`null`, new(List[Text]), List[Text](nil)},
		{`[{"name":"a","size":"odd","kids":"2"},7,null]`, new(List[thing]), List[thing]{{Name: "a", Kids: 2}}},
		{`{"name":"a","size":3}`, new(List[thing]), List[thing]{{Name: "a", Size: 3}}},
		{`"none"`, new(List[thing]), List[thing](nil)},
		{`{"name":"a","size":[]}`, new(Object[thing]), Object[thing]{thing{Name: "a"}}},
		{`[1]`, new(Object[thing]), Object[thing]{}},
		{`null`, new(Object[thing]), Object[thing]{}},
	} {
		if err := json.Unmarshal([]byte(c.in), c.into); err != nil {
			t.Errorf("%T of %s: %v", c.into, c.in, err)
		}
		if got := reflect.ValueOf(c.into).Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%T of %s is %#v, want %#v", c.want, c.in, got, c.want)
		}
	}
}

func TestFirstsAndFieldsSkipWhatIsMissing(t *testing.T) {
	at := Stamp{time.Unix(9, 0)}
	if got := First(Stamp{}, at); !got.Equal(at.Time) {
		t.Errorf("first moment %v", got)
	}
	if got := FirstText("", "b", "c"); got != "b" {
		t.Errorf("first text %q", got)
	}
	raw := json.RawMessage(`{"id":12345678901234567890,"odd":{"x":1}}`)
	if got := Field(raw, "id"); got != "12345678901234567890" {
		t.Errorf("field %q", got)
	}
	if got := Field(raw, "odd") + Field(raw, "none") + Field([]byte(`[1]`), "id"); got != "" {
		t.Errorf("what is no text gave %q", got)
	}
	if got := string(Member(raw, "odd")); got != `{"x":1}` {
		t.Errorf("member %s", got)
	}
}

func FuzzNoReplyFails(f *testing.F) {
	for _, s := range []string{`"a"`, `1e400`, `[1,"x",null]`, `{"name":{},"kids":[]}`, `-`, `"2026-99-01"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		var all struct {
			Text   Text
			Flag   Flag
			Count  Count
			Stamp  Stamp
			List   List[thing]
			Object Object[thing]
		}
		doc, err := json.Marshal(map[string]json.RawMessage{"Text": b, "Flag": b, "Count": b, "Stamp": b, "List": b, "Object": b})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(doc, &all); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if all.Count < 0 {
			t.Errorf("%s counts %d", b, all.Count)
		}
	})
}
