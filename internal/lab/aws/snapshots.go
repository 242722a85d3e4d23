package aws

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// snapshot is of a volume.
type snapshot struct {
	id, volume, text string
	began            time.Time
}

func (s *snapshot) key() string { return s.id }

func createSnapshots(c *call) (do, *apiError) {
	r, id := c.here(), c.get("InstanceSpecification.InstanceId")
	i := r.instances.get(id)
	tags, failed := c.tagsFor("snapshot")
	switch {
	case failed != nil:
		return nil, failed
	case i == nil:
		return nil, notFound("InvalidInstanceID", "i")(id)
	}
	return func() []element {
		s := &snapshot{id: r.newID("snap"), volume: i.volume, text: c.get("Description"), began: c.opt.Now()}
		r.snapshots = append(r.snapshots, s)
		if c.get("CopyTagsFromSource") == "volume" {
			r.tag(s.id, r.tags[i.volume])
		}
		r.tag(s.id, tags)
		return []element{el("snapshotSet", r.renderSnapshot(s))}
	}, nil
}

func describeSnapshots(c *call) (do, *apiError) {
	r := c.here()
	page, next, failed := selected(c, r.snapshots, c.list("SnapshotId"), notFound("InvalidSnapshot", "snap"), func(s *snapshot, name string) ([]string, bool) {
		v, known := map[string]string{"snapshot-id": s.id, "volume-id": s.volume, "owner-id": r.account, "status": "completed"}[name]
		return []string{v}, known
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("snapshotSet", each(page, r.renderSnapshot)), some("nextToken", next))
}

func (r *region) renderSnapshot(s *snapshot) element {
	return el("item", el("snapshotId", s.id), el("volumeId", s.volume), el("status", "completed"), el("ownerId", r.account), el("description", s.text),
		el("startTime", s.began.UTC().Format(time.RFC3339)), el("volumeSize", 8), el("progress", "100%"), r.tagSet("tagSet", s.id))
}

// tagged is one tag of one resource.
type tagged struct{ id, name, value string }

func (t tagged) key() string { return t.id }

func describeTags(c *call) (do, *apiError) {
	var all table[tagged]
	for id, tags := range c.here().tags {
		for k, v := range tags {
			all = append(all, tagged{id, k, v})
		}
	}
	slices.SortFunc(all, func(a, b tagged) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	page, next, failed := selected(c, all, nil, nil, func(t tagged, name string) ([]string, bool) {
		v, known := map[string]string{"resource-id": t.id, "resource-type": typeOf(t.id), "key": t.name, "value": t.value}[name]
		return []string{v}, known
	})
	if failed != nil {
		return nil, failed
	}
	return reply(el("tagSet", each(page, func(t tagged) element {
		return el("item", el("resourceId", t.id), el("resourceType", typeOf(t.id)), el("key", t.name), el("value", t.value))
	})), some("nextToken", next))
}

// resources gives the ids whose tags a call changes.
func (c *call) resources() ([]string, *apiError) {
	ids := c.list("ResourceId")
	for _, id := range ids {
		if !c.here().exists(id) {
			return nil, refused("InvalidID", "The ID '%s' is not valid", id)
		}
	}
	if len(ids) == 0 {
		return nil, refused("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	return ids, nil
}

// maxTags is how many tags a resource may have.
const maxTags = 50

func createTags(c *call) (do, *apiError) {
	ids, failed := c.resources()
	if failed != nil {
		return nil, failed
	}
	tags, failed := c.tagsAt("Tag")
	if failed != nil {
		return nil, failed
	}
	for _, id := range ids {
		if len(c.here().tags[id])+len(tags) > maxTags {
			return nil, refused("TagLimitExceeded", "You have reached the maximum number of tags allowed for this resource")
		}
	}
	return func() []element {
		for _, id := range ids {
			c.here().tag(id, tags)
		}
		return done()
	}, nil
}

// deleteTags takes tags away; one with another value than the request names stays.
func deleteTags(c *call) (do, *apiError) {
	ids, failed := c.resources()
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		for _, id := range ids {
			tags := c.here().tags[id]
			for i := range c.count("Tag") {
				key, value := c.get(indexed("Tag", i)+".Key"), indexed("Tag", i)+".Value"
				if !c.form.Has(value) || c.get(value) == tags[key] {
					delete(tags, key)
				}
			}
		}
		return done()
	}, nil
}
