package sentinelone

import (
	"context"
	"encoding/json"
	"slices"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
)

// get reads one alert in full, several by the list's fields.
func (u *unified) get(ctx context.Context, hs []alert.Handle) ([]alert.Alert, error) {
	uuids, threats := keys(hs)
	if len(hs) == 1 && len(uuids) == 1 {
		return u.detail(ctx, uuids[0])
	}
	out, err := u.find(ctx, "get alerts", uuids, threats)
	if err != nil {
		return out, err
	}
	if len(hs) == 1 && len(out) == 1 {
		uuids, _ := keys([]alert.Handle{out[0].Handle})
		return u.detail(ctx, uuids[0])
	}
	return out, nil
}

// find reads alerts by UUID and by threat id.
func (u *unified) find(ctx context.Context, op string, uuids, threats []string) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	for field, ids := range map[string][]string{"id": uuids, "externalId": threats} {
		for chunk := range slices.Chunk(ids, idsPerRequest) {
			found, err := u.byIDs(ctx, op, field, chunk)
			out = append(out, found...)
			if unreadable, err = splitBad(unreadable, err); err != nil {
				return out, err
			}
		}
	}
	return out, unreadable
}

// byIDs reads the alerts that have one of at most 100 ids.
func (u *unified) byIDs(ctx context.Context, op, field string, ids []string) ([]alert.Alert, error) {
	var out []alert.Alert
	var unreadable error
	for after := ""; ; {
		p, err := u.read(ctx, op, []filter{{FieldID: field, StringIn: &values{ids}}}, "createdAt", "ASC", after)
		if err != nil {
			return nil, err
		}
		alerts, bad := decodeAll(p.items, u.decode)
		unreadable = joinBad(unreadable, bad)
		out = append(out, alerts...)
		if after = p.next; after == "" {
			return out, unreadable
		}
	}
}

// detail gives one alert, or none when the console has none of this id.
func (u *unified) detail(ctx context.Context, uuid string) ([]alert.Alert, error) {
	var raw json.RawMessage
	_, err := u.run(ctx, operation{
		op: "get an alert", name: "EdrcAlert", document: alertDocument, variables: map[string]any{"id": uuid},
		class: httpx.Read, permission: permThreats,
	}, "alert", &raw)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, bad := u.decode(raw)
	if bad != nil {
		return nil, bad
	}
	return []alert.Alert{a}, nil
}

// keys sorts handles by how they can be asked for: by UUID where it is known, else
// by the threat id. What is neither is left out.
func keys(hs []alert.Handle) (uuids, threats []string) {
	for _, h := range hs {
		var at locator
		_ = json.Unmarshal(h.Locator, &at)
		if at.UUID == "" {
			at.UUID = h.ID
		}
		switch {
		case isUUID(at.UUID):
			if !slices.Contains(uuids, at.UUID) {
				uuids = append(uuids, at.UUID)
			}
		case isID(h.ID) && !slices.Contains(threats, h.ID):
			threats = append(threats, h.ID)
		}
	}
	return uuids, threats
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && agentUUID().MatchString(s)
}
