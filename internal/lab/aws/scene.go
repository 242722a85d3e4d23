package aws

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// host is an instance that findings are about, as it was when they were made.
type host struct {
	id, name, vpc, role, profile string
	details                      object // a finding's instanceDetails
}

// workload is one host of every account and region.
type workload struct {
	name, role string // the instance profile has the role's last word
	prepare    func(v *Vendor, r *region, i *instance)
}

// workloads are what runs in every account and region: what a response meets.
func workloads() []workload {
	return []workload{
		{"web", "shop-web", func(_ *Vendor, r *region, i *instance) {
			i.public = "198.51.100.7"
			r.nicsOf(i.id)[0].public = i.public
		}},
		{"web", "shop-web", nil},
		{"web", "shop-web", threeInterfaces},
		{"db", "shop-db", func(_ *Vendor, r *region, i *instance) { r.tag(i.id, map[string]string{"edrc:protected": "true"}) }},
		{"db", "shop-db", func(_ *Vendor, _ *region, i *instance) { i.noStop = true }},
		{"batch", "shop-batch", func(_ *Vendor, _ *region, i *instance) { i.lifecycle = "spot" }},
		{"node", "eks-node", func(_ *Vendor, r *region, i *instance) {
			r.tag(i.id, map[string]string{"kubernetes.io/cluster/shop": "owned", "eks:cluster-name": "shop"})
		}},
		{"build", "ci-build", func(_ *Vendor, _ *region, i *instance) { i.hibernates = true }},
	}
}

// threeInterfaces gives an instance a second interface, and a third in a VPC with IPv6.
func threeInterfaces(_ *Vendor, r *region, i *instance) {
	r.attach(r.addNIC(r.subnets.get(i.subnet), r.groupNamed(i.vpc, "db").id), i.id, 1)
	other := r.addVPC("10.1.0.0/16", true)
	r.addGroup(other, "backup", "backup traffic")
	r.attach(r.addNIC(r.addSubnet(other, "10.1.1.0/24"), r.groupNamed(other.id, "backup").id), i.id, 2)
}

// fleet gives the hosts of a place, started when they are first asked for.
func (v *Vendor) fleet(p place) []*host {
	if hosts, ok := v.fleets[p]; ok {
		return hosts
	}
	v.people(v.accountOf(p.account))
	r := v.regionOf(p)
	net := r.addVPC("10.0.0.0/16", false)
	sub := r.addSubnet(net, "10.0.0.0/24")
	groups := map[string]*group{}
	for _, name := range []string{"web", "db"} {
		groups[name] = r.addGroup(net, name, "the shop's "+name)
		port := map[string]int{"web": 443, "db": 5432}[name]
		groups[name].rules = append(groups[name].rules, &rule{id: r.newID("sgr"), protocol: "tcp", from: port, to: port, v4: "10.0.0.0/8"})
	}
	var hosts []*host
	for n, w := range workloads() {
		in := []string{groups["web"].id}
		if w.name == "db" || n == 2 {
			in = append(in, groups["db"].id)
		}
		i := r.addInstance(r.addNIC(sub, in...), v.opt.Now().Add(-time.Duration(24*(n+9))*time.Hour).Truncate(time.Second))
		i.model, i.image = "m5.large", "ami-0"+digest("image", w.name)[:16]
		r.tag(i.id, map[string]string{"Name": w.name + "-" + i.id[len(i.id)-6:], "env": "prod"})
		p := v.workRole(v.accountOf(r.account), w.role, r.region)
		i.profile = p.arn(r.account)
		if w.prepare != nil {
			w.prepare(v, r, i)
		}
		hosts = append(hosts, r.host(i, w.role))
	}
	v.balance(r, net, hosts)
	v.fleets[p] = hosts
	return hosts
}

// balance puts the first two hosts into an Auto Scaling group and behind a load balancer.
func (v *Vendor) balance(r *region, net *vpc, hosts []*host) {
	g := &scaling{name: "shop-web", min: 1, desired: 2, max: 4}
	for _, h := range hosts[:2] {
		g.members = append(g.members, &member{h.id, "InService"})
	}
	r.scaling = append(r.scaling, g)
	r.addTargets("shop", net.id, hosts[0].id, hosts[1].id)
}

// workRole gives the instance profile of a role, both made when they are first asked for.
func (v *Vendor) workRole(a *account, name, region string) *profile {
	short := name[strings.LastIndexByte(name, '-')+1:]
	if p := a.profiles[short]; p != nil {
		return p
	}
	trusted := `"ec2.amazonaws.com"`
	if name == "shop-batch" {
		trusted = `["ec2.amazonaws.com","lambda.amazonaws.com"]`
	}
	r := a.addRole(name, "/workload/", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":`+trusted+`},"Action":"sts:AssumeRole"}]}`)
	r.policies["work"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","ec2:Describe*"],"Resource":"*"}]}`
	r.used, r.usedIn = v.opt.Now().Add(-time.Hour), region
	a.profiles[short] = &profile{name: short, path: "/app/", role: name}
	return a.profiles[short]
}

// people makes the user whose key findings are about.
func (v *Vendor) people(a *account) {
	if a.users["deploy"] != nil {
		return
	}
	u := a.addUser("deploy", map[string]string{"deploy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*","ec2:Describe*"],"Resource":"*"}}`})
	id := v.deployKey(a.id)
	k := v.addKey(a.id, u, id)
	k.used, k.usedFor, k.usedIn = v.opt.Now().Add(-time.Hour), "s3", v.own.Regions[0]
	v.keys[id] = k
}

func (v *Vendor) deployKey(account string) string {
	return "AKIA" + strings.ToUpper(digest(v.secret, "deploy", account))[:16]
}

// host describes an instance as GuardDuty does.
func (r *region) host(i *instance, role string) *host {
	h := &host{id: i.id, vpc: i.vpc, name: r.tags[i.id]["Name"], role: role, profile: i.profile}
	var nics, tags []object
	for _, n := range r.nicsOf(i.id) {
		groups := []object{}
		for _, id := range n.groups {
			groups = append(groups, object{"groupId": id, "groupName": r.groups.get(id).name})
		}
		nic := object{"networkInterfaceId": n.id, "vpcId": n.vpc, "subnetId": n.subnet, "privateIpAddress": n.address,
			"privateIpAddresses": []object{{"privateIpAddress": n.address}}, "ipv6Addresses": append([]string{}, n.v6...), "securityGroups": groups}
		if n.public != "" {
			nic["publicIp"] = n.public
		}
		nics = append(nics, nic)
	}
	for _, k := range slices.Sorted(maps.Keys(r.tags[i.id])) {
		tags = append(tags, object{"key": k, "value": r.tags[i.id][k]})
	}
	h.details = object{"instanceId": i.id, "instanceType": i.model, "launchTime": i.launched.UTC().Format("2006-01-02T15:04:05.000Z"), "platform": nil,
		"imageId": i.image, "instanceState": "running", "availabilityZone": r.region + "a",
		"iamInstanceProfile": object{"arn": i.profile, "id": idOf("AIPA", i.profile)}, "networkInterfaces": nics, "tags": tags}
	return h
}

// contained says what a response has changed: instances that are stopped or in groups
// without rules, roles that are denied everything, keys that are inactive.
func (v *Vendor) contained() []string {
	out := []string{}
	for _, r := range v.regions {
		for _, i := range r.instances {
			label := strings.TrimSpace(r.tags[i.id]["Name"] + " " + i.id)
			if i.state == "stopped" {
				out = append(out, "stopped: "+label)
			}
			if nics := r.nicsOf(i.id); len(nics) > 0 && !slices.ContainsFunc(nics, r.reachable) {
				out = append(out, "isolated: "+label)
			}
		}
	}
	for _, a := range v.accounts {
		for _, r := range a.roles {
			everything := question{"lab:Any", "*", func(string) []string { return nil }}
			if decide(slices.Collect(maps.Values(r.policies)), everything) == explicit {
				out = append(out, fmt.Sprintf("denied: role %s of %s", r.name, a.id))
			}
		}
	}
	for id, k := range v.keys {
		if k.inactive {
			out = append(out, fmt.Sprintf("inactive: key %s of %s", id, k.account))
		}
	}
	slices.Sort(out)
	return out
}

// reachable reports whether a group of the interface lets anything through.
func (r *region) reachable(n *nic) bool {
	return slices.ContainsFunc(n.groups, func(id string) bool { g := r.groups.get(id); return g != nil && len(g.rules) > 0 })
}
