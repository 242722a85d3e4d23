package carbonblack

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"edrc/internal/alert"
	"edrc/internal/fault"
	"edrc/internal/httpx"
	"edrc/internal/source/lenient"
)

// device is the part of a device that edrc reads.
type device struct {
	ID          text  `json:"id"`
	Name        text  `json:"name"` // a Windows domain may stand before it: EIP\HOST
	OS          text  `json:"os"`
	OSVersion   text  `json:"os_version"`
	Status      text  `json:"status"`
	Quarantined flag  `json:"quarantined"`
	Contact     stamp `json:"last_contact_time"`
}

const (
	// hostsPage is how many devices are asked for at once; the vendor gives 10,000.
	hostsPage = 2000
	// contactEvery is the longest silence of a sensor that still counts as online. The
	// API does not say who is, only when a sensor was last in contact.
	contactEvery = 15 * time.Minute
)

// host maps a device as it stood at a moment of the vendor's clock.
func (d device) host(now time.Time) alert.Host {
	h := alert.Host{
		ID: string(d.ID), Name: string(d.Name), OS: lenient.FirstText(d.OSVersion, d.OS),
		Platform: platformOf(string(d.OS)), Reachable: d.reachable(now),
	}
	if d.Quarantined.Known {
		h.Isolation = map[bool]string{true: "isolated", false: "none"}[d.Quarantined.Yes]
	}
	return h
}

// reachable is nil when it cannot be told.
func (d device) reachable(now time.Time) *bool {
	gone := strings.EqualFold(string(d.Status), "DEREGISTERED") || strings.EqualFold(string(d.Status), "UNINSTALLED") || strings.EqualFold(string(d.Status), "DELETED")
	if !gone && (d.Contact.IsZero() || now.IsZero()) {
		return nil
	}
	up := !gone && now.Sub(d.Contact.Time) <= contactEvery
	return &up
}

// isDeviceID reports whether s can be the id of a device, and gives the number.
func isDeviceID(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// device reads one device, nil when the cloud does not have it, and the vendor's clock.
func (c *Client) device(ctx context.Context, op, id string) (*device, time.Time, error) {
	if _, ok := isDeviceID(id); !ok {
		return nil, time.Time{}, nil
	}
	d := &device{}
	resp, err := c.api.read(ctx, call{Request: httpx.Request{Op: op, Path: c.api.path(devicesPath, "devices", id)}, permission: permDevices}, d)
	if fault.Is(err, fault.NotFound) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	if string(d.ID) != id {
		return nil, time.Time{}, c.api.fault(fault.Unavailable, op, "the cloud gave another device than was asked for")
	}
	return d, resp.Date, nil
}

// FindHosts implements source.HostFinder: by device id, or by name, whole or
// "*"-suffixed, in any case, with its Windows domain or without. How the vendor compares
// names is not documented: what a search for the name does not find is looked for among
// all devices.
func (c *Client) FindHosts(ctx context.Context, nameOrID string) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		const op = "find hosts"
		if _, ok := isDeviceID(nameOrID); ok {
			d, now, err := c.device(ctx, op, nameOrID)
			if err != nil {
				yield(alert.Host{}, err)
				return
			}
			if d != nil {
				yield(d.host(now), nil)
				return
			}
		}
		prefix, wild := strings.CutSuffix(nameOrID, "*")
		if len(prefix) < 2 && (wild || prefix == "") {
			yield(alert.Host{}, c.api.fault(fault.Usage, op, "at least two characters of the name are needed"))
			return
		}
		if !wild {
			if n, ok := c.matching(c.devices(ctx, op, "_search", map[string]any{"name": []string{nameOrID}}), prefix, wild, yield); n > 0 || !ok {
				return
			}
		}
		c.matching(c.devices(ctx, op, "_scroll", nil), prefix, wild, yield)
	}
}

// matching yields the hosts of a name. It counts them, and reports whether more are
// wanted.
func (c *Client) matching(hosts iter.Seq2[alert.Host, error], name string, wild bool, yield func(alert.Host, error) bool) (n int, more bool) {
	for h, err := range hosts {
		if err != nil {
			yield(alert.Host{}, err)
			return n, false
		}
		_, short, _ := strings.Cut(h.Name, `\`)
		if !named(h.Name, name, wild) && !named(short, name, wild) {
			continue
		}
		if n++; !yield(h, nil) {
			return n, false
		}
	}
	return n, true
}

func named(has, want string, wild bool) bool {
	if wild {
		return len(has) >= len(want) && strings.EqualFold(has[:len(want)], want)
	}
	return strings.EqualFold(has, want)
}

// devices reads devices by POST /devices/_search, one page, or by /devices/_scroll,
// which has no end: a search ends at 10,000.
func (c *Client) devices(ctx context.Context, op, how string, criteria map[string]any) iter.Seq2[alert.Host, error] {
	return func(yield func(alert.Host, error) bool) {
		for after := ""; ; {
			body := map[string]any{"rows": hostsPage}
			if len(criteria) > 0 {
				body["criteria"] = criteria
			}
			if after != "" {
				body["search_after"] = after
			}
			var r struct {
				Results *[]json.RawMessage `json:"results"`
				After   text               `json:"search_after"`
			}
			resp, err := c.api.read(ctx, call{Request: httpx.Request{
				Op: op, Method: http.MethodPost, Path: c.api.path(devicesPath, "devices", how), Class: httpx.Read, JSON: body,
			}, permission: permDevices, whole: true}, &r)
			if err == nil && r.Results == nil {
				err = c.api.fault(fault.Unavailable, op, "the reply has no results")
			}
			if err == nil && r.After != "" && string(r.After) == after {
				err = c.api.fault(fault.Unavailable, op, "the cloud gave the same page twice")
			}
			if err != nil {
				yield(alert.Host{}, err)
				return
			}
			for _, raw := range *r.Results {
				var d device
				if json.Unmarshal(raw, &d) == nil && d.ID != "" && !yield(d.host(resp.Date), nil) {
					return
				}
			}
			if after = string(r.After); after == "" || len(*r.Results) == 0 || how != "_scroll" {
				return
			}
		}
	}
}
