package aws

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// account is what is global in an account: its IAM.
type account struct {
	id       string
	roles    map[string]*role // by name in lower case: names ignore case
	profiles map[string]*profile
	users    map[string]*user
}

// region is what an account has in one region.
type region struct {
	place
	secret    string
	serial    int
	vpcs      table[*vpc]
	subnets   table[*subnet]
	nics      table[*nic]
	groups    table[*group]
	acls      table[*acl]
	instances table[*instance]
	snapshots table[*snapshot]
	scaling   table[*scaling]
	targets   table[*targets]
	tags      map[string]map[string]string // by resource
}

// thing is what a table holds.
type thing interface{ key() string }

// table is a list of things in the order in which they were made.
type table[T thing] []T

// get finds a thing; it is the zero T when there is none.
func (t table[T]) get(id string) (found T) {
	for _, x := range t {
		if x.key() == id {
			return x
		}
	}
	return found
}

// drop removes a thing.
func (t *table[T]) drop(id string) {
	*t = slices.DeleteFunc(*t, func(x T) bool { return x.key() == id })
}

// accountOf gives an account, made when it is first asked for.
func (v *Vendor) accountOf(id string) *account {
	a := v.accounts[id]
	if a == nil {
		a = &account{id: id, roles: map[string]*role{}, profiles: map[string]*profile{}, users: map[string]*user{}}
		v.accounts[id] = a
	}
	return a
}

// regionOf gives a region with its default VPC, made when it is first asked for.
func (v *Vendor) regionOf(p place) *region {
	r := v.regions[p]
	if r == nil {
		r = &region{place: p, secret: v.secret, tags: map[string]map[string]string{}}
		v.regions[p] = r
		home := r.addVPC("172.31.0.0/16", false)
		home.isDefault = true
		r.addSubnet(home, "172.31.0.0/20")
	}
	return r
}

// newID makes an id that nothing else in the region has, as long as AWS's.
func (r *region) newID(kind string) string {
	r.serial++
	return kind + "-0" + digest(r.secret, r.account, r.region, kind, strconv.Itoa(r.serial))[:16]
}

// arn names a resource of the region.
func (r *region) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + r.region + ":" + r.account + ":" + resource
}

// typeOf tells what an id is of.
func typeOf(id string) string {
	kind, _, _ := strings.Cut(id, "-")
	return map[string]string{"i": "instance", "eni": "network-interface", "sg": "security-group", "vpc": "vpc", "subnet": "subnet", "acl": "network-acl",
		"snap": "snapshot", "vol": "volume", "sgr": "security-group-rule"}[kind]
}

// exists reports whether an id can be tagged.
func (r *region) exists(id string) bool {
	switch typeOf(id) {
	case "instance":
		return r.instances.get(id) != nil
	case "network-interface":
		return r.nics.get(id) != nil
	case "security-group":
		return r.groups.get(id) != nil
	case "vpc":
		return r.vpcs.get(id) != nil
	case "subnet":
		return r.subnets.get(id) != nil
	case "network-acl":
		return r.acls.get(id) != nil
	case "snapshot":
		return r.snapshots.get(id) != nil
	}
	return false
}

// tag gives tags to a resource.
func (r *region) tag(id string, tags map[string]string) {
	if len(tags) == 0 {
		return
	}
	if r.tags[id] == nil {
		r.tags[id] = map[string]string{}
	}
	maps.Copy(r.tags[id], tags)
}

// tagSet renders the tags of a resource; it is left out when there are none.
func (r *region) tagSet(name, id string) element {
	if len(r.tags[id]) == 0 {
		return element{}
	}
	return el(name, each(slices.Sorted(maps.Keys(r.tags[id])), func(k string) element {
		return el("item", el("key", k), el("value", r.tags[id][k]))
	}))
}

// tagsFor reads the tags that a request gives to what it makes.
func (c *call) tagsFor(kind string) (map[string]string, *apiError) {
	out := map[string]string{}
	for i := range c.count("TagSpecification") {
		spec := indexed("TagSpecification", i)
		if c.get(spec+".ResourceType") != kind {
			continue
		}
		tags, failed := c.tagsAt(spec + ".Tag")
		if failed != nil {
			return nil, failed
		}
		maps.Copy(out, tags)
	}
	return out, nil
}

// tagsAt reads name.1.Key, name.1.Value and so on, within the bounds of EC2.
func (c *call) tagsAt(name string) (map[string]string, *apiError) {
	out := map[string]string{}
	for i := range c.count(name) {
		key, value := c.get(indexed(name, i)+".Key"), c.get(indexed(name, i)+".Value")
		if key == "" || len(key) > 128 || len(value) > 256 || strings.HasPrefix(key, "aws:") {
			return nil, invalid("Tag key or value is not valid: %s", key)
		}
		out[key] = value
	}
	return out, nil
}

// filtered reports whether a resource passes every Filter of a request. value gives what
// the resource has for a filter's name; tags are looked up here.
func (c *call) filtered(id string, value func(name string) ([]string, bool)) (bool, *apiError) {
	tags := c.here().tags[id]
	for i := range c.count("Filter") {
		name, want := c.get(indexed("Filter", i)+".Name"), c.list(indexed("Filter", i)+".Value")
		have, known := value(name)
		if key, ok := strings.CutPrefix(name, "tag:"); ok {
			known = true
			if t, tagged := tags[key]; tagged {
				have = []string{t}
			}
		} else if name == "tag-key" {
			have, known = slices.Collect(maps.Keys(tags)), true
		}
		if !known {
			return false, invalid("The filter '%s' is invalid", name)
		}
		if !slices.ContainsFunc(have, func(h string) bool {
			return slices.ContainsFunc(want, func(w string) bool { return glob(w, h) })
		}) {
			return false, nil
		}
	}
	return true, nil
}

// selected gives the things that a Describe call means: those of the ids, or all, that
// pass the filters; and the page of them that it asks for.
func selected[T thing](c *call, from table[T], ids []string, missing func(id string) *apiError, value func(T, string) ([]string, bool)) (page []T, next string, failed *apiError) {
	for _, id := range ids {
		if !slices.ContainsFunc(from, func(t T) bool { return t.key() == id }) {
			return nil, "", missing(id)
		}
	}
	var out []T
	for _, t := range from {
		if len(ids) > 0 && !slices.Contains(ids, t.key()) {
			continue
		}
		fits, failed := c.filtered(t.key(), func(name string) ([]string, bool) { return value(t, name) })
		if failed != nil {
			return nil, "", failed
		}
		if fits {
			out = append(out, t)
		}
	}
	size, failed := c.number("MaxResults", 0)
	if failed != nil {
		return nil, "", failed
	}
	return pageOf(out, size, c.get("NextToken"))
}

// hexID is what follows an id's kind.
var hexID = regexp.MustCompile(`^-([0-9a-f]{8}|[0-9a-f]{17})$`)

// notFound is the error for an id that names nothing, or could not.
func notFound(name, kind string) func(id string) *apiError {
	return func(id string) *apiError {
		if rest, ok := strings.CutPrefix(id, kind); !ok || !hexID.MatchString(rest) {
			return refused(name+".Malformed", "Invalid id: %q", id)
		}
		return refused(name+".NotFound", "The ID '%s' does not exist", id)
	}
}

// indexed names the i-th of a list, counted from 0.
func indexed(name string, i int) string { return name + "." + strconv.Itoa(i+1) }
