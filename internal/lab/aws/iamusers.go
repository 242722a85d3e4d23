package aws

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// user finds the user that a call names.
func (c *call) user() (*user, *apiError) {
	u := c.owner().users[nameOf(c.get("UserName"))]
	if u == nil {
		return nil, missing("The user with name %s cannot be found.", c.get("UserName"))
	}
	return u, nil
}

func (a *account) addUser(name string, policies map[string]string) *user {
	u := &user{name: name, policies: policies}
	a.users[nameOf(name)] = u
	return u
}

func createUser(c *call) (do, *apiError) {
	name := c.get("UserName")
	if c.owner().users[nameOf(name)] != nil {
		return nil, exists("User with name %s already exists.", name)
	}
	return func() []element {
		u := c.owner().addUser(name, map[string]string{})
		return []element{el("User", el("Path", "/"), el("UserName", u.name), el("UserId", idOf("AIDA", u.arn(c.account))), el("Arn", u.arn(c.account)),
			el("CreateDate", c.opt.Now().UTC().Format(time.RFC3339)))}
	}, nil
}

func putUserPolicy(c *call) (do, *apiError) {
	u, failed := c.user()
	if failed != nil {
		return nil, failed
	}
	name, text := c.get("PolicyName"), c.get("PolicyDocument")
	if failed := checkPolicies(u.policies, name, text, 2048); failed != nil {
		return nil, failed
	}
	return func() []element {
		u.policies[name] = text
		return nil
	}, nil
}

// addKey gives a user a long-term key.
func (v *Vendor) addKey(account string, u *user, id string) key {
	k := key{account: account, secret: digest(v.secret, id)[:40], arn: u.arn(account), userID: idOf("AIDA", u.arn(account)), user: u.name,
		made: v.opt.Now()}
	v.keys[id] = k
	return k
}

func createKey(c *call) (do, *apiError) {
	u, failed := c.user()
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		c.serial++
		id := "AKIA" + strings.ToUpper(digest(c.Vendor.secret, u.arn(c.account), time.Duration(c.serial).String()))[:16]
		k := c.addKey(c.account, u, id)
		return []element{el("AccessKey", el("UserName", u.name), el("AccessKeyId", id), el("Status", "Active"), el("SecretAccessKey", k.secret),
			el("CreateDate", k.made.UTC().Format(time.RFC3339)))}
	}, nil
}

// keysOf gives the ids of a user's keys, in order.
func (c *call) keysOf(u *user) []string {
	var out []string
	for id, k := range c.keys {
		if k.account == c.account && k.user == u.name {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (k key) status() string {
	if k.inactive {
		return "Inactive"
	}
	return "Active"
}

func listKeysOfUser(c *call) (do, *apiError) {
	u, failed := c.user()
	if failed != nil {
		return nil, failed
	}
	return listed(c, "AccessKeyMetadata", c.keysOf(u), func(id string) element {
		return el("member", el("UserName", u.name), el("AccessKeyId", id), el("Status", c.keys[id].status()),
			el("CreateDate", c.keys[id].made.UTC().Format(time.RFC3339)))
	})
}

// keyOfUser finds the key that a call names, with the user that it names.
func (c *call) keyOfUser() (string, *apiError) {
	u, failed := c.user()
	if failed != nil {
		return "", failed
	}
	id := c.get("AccessKeyId")
	if !slices.Contains(c.keysOf(u), id) {
		return "", missing("The Access Key with id %s cannot be found.", id)
	}
	return id, nil
}

func deleteKey(c *call) (do, *apiError) {
	id, failed := c.keyOfUser()
	if failed != nil {
		return nil, failed
	}
	return func() []element {
		delete(c.keys, id)
		return nil
	}, nil
}

func updateKey(c *call) (do, *apiError) {
	id, failed := c.keyOfUser()
	to := c.get("Status")
	switch {
	case failed != nil:
		return nil, failed
	case to != "Active" && to != "Inactive":
		return nil, refused("ValidationError", "Value '%s' at 'status' failed to satisfy constraint", to)
	}
	return func() []element {
		k := c.keys[id]
		k.inactive = to == "Inactive"
		c.keys[id] = k
		return nil
	}, nil
}

// keyLastUsed names the user of a key. What it says of another account's key is AWS's.
func keyLastUsed(c *call) (do, *apiError) {
	id := c.get("AccessKeyId")
	k, known := c.keys[id]
	switch {
	case !known || k.user == "":
		return nil, missing("The Access Key with id %s cannot be found", id)
	case k.account != c.account:
		return nil, &apiError{http.StatusForbidden, "AccessDenied", "User: " + c.caller.arn + " is not authorized to perform: iam:GetAccessKeyLastUsed on resource: " + id}
	}
	used := el("AccessKeyLastUsed", el("Region", "N/A"), el("ServiceName", "N/A"))
	if !k.used.IsZero() {
		used = el("AccessKeyLastUsed", el("LastUsedDate", k.used.UTC().Format(time.RFC3339)), el("ServiceName", k.usedFor), el("Region", k.usedIn))
	}
	return reply(el("UserName", k.user), used)
}
