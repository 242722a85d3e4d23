package config

import (
	"cmp"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"edrc/internal/fault"
)

// FlagKey is the annotation by which a flag of another name than the setting's
// is bound to it: flags.SetAnnotation("output", config.FlagKey,
// []string{"output.format"}).
const FlagKey = "edrc_config_key"

// settle gives every setting its value: flags > environment > file > default.
// file holds the values of the file, already checked, by viper key.
//
// The environment is laid over the file instead of being read by viper, which
// would see only the process's own, and could not say which variable is wrong.
func settle(list []setting, file map[string]any, o Options, expand func(string) string) error {
	v := viper.NewWithOptions(viper.KeyDelimiter("::"))
	for _, s := range list {
		v.SetDefault(s.viperKey(), s.value.Interface())
	}
	env := map[string]any{}
	var wrong error // the first; the other settings get their values all the same
	for _, s := range list {
		text, set := o.env(s.envName())
		if !set || text == "" {
			continue
		}
		parsed, err := s.parse(text)
		if err != nil {
			wrong = cmp.Or(wrong, error(fault.Usagef("%s: %w", s.envName(), err)))
			continue
		}
		env[s.viperKey()] = parsed
	}
	for _, layer := range []map[string]any{file, env} {
		if err := v.MergeConfigMap(nested(layer)); err != nil {
			return fault.Usagef("cannot merge the settings: %w", err)
		}
	}
	for s, f := range changedFlags(list, o.Flags) {
		parsed, err := s.parse(flagText(f))
		if err != nil {
			wrong = cmp.Or(wrong, error(fault.Usagef("--%s: %w", f.Name, err)))
			continue
		}
		v.Set(s.viperKey(), parsed)
	}
	for _, s := range list {
		s.value.Set(reflect.ValueOf(v.Get(s.viperKey())))
		if s.isPath() {
			s.value.SetString(expand(s.value.String()))
		}
	}
	return wrong
}

// nested turns a::b keys into mappings, the shape that viper merges.
func nested(flat map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range flat {
		section, name, ok := strings.Cut(key, "::")
		if !ok {
			out[key] = value
			continue
		}
		inner, _ := out[section].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			out[section] = inner
		}
		inner[name] = value
	}
	return out
}

// changedFlags pairs settings with the flags that stand for them and were given.
func changedFlags(list []setting, flags *pflag.FlagSet) iter.Seq2[setting, *pflag.Flag] {
	return func(yield func(setting, *pflag.Flag) bool) {
		if flags == nil {
			return
		}
		given := map[string]*pflag.Flag{}
		flags.Visit(func(f *pflag.Flag) {
			keys := f.Annotations[FlagKey]
			for _, key := range keys {
				given[key] = f
			}
			if len(keys) == 0 {
				given["--"+f.Name] = f
			}
		})
		for _, s := range list {
			f := cmp.Or(given[s.key()], given["--"+s.flagName()])
			if f != nil && !yield(s, f) {
				return
			}
		}
	}
}

// flagText is a flag's value on one line; pflag shows a list in brackets.
func flagText(f *pflag.Flag) string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Join(list.GetSlice(), ",")
	}
	return fmt.Sprint(f.Value)
}
