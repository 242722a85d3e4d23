package aws

import (
	"fmt"
	"math/rand/v2"
	"time"

	"edrc/internal/lab/world"
)

// kind is what a finding is about.
type kind int

// The kinds, with the shapes that the API's reference gives them.
const (
	KindVolume    kind = iota // a malicious file on an EBS volume
	KindRuntime               // a malicious file was executed; the image and the threat file
	KindContainer             // a shell in a pod; the image alone, which is innocent
	KindObject                // a malicious S3 object
	KindDNS                   // a command-and-control domain; no file
	KindKey                   // an access key used oddly; no file, no host
	KindCluster               // a Kubernetes API call; no file
	KindModule                // a kernel module, with a 32-digit "Sha256"
	KindShort                 // a volume scan whose list was shortened
	KindSample                // a sample finding
	KindSequence              // an attack sequence over other findings
	kinds         = int(KindSequence) + 1
)

// finding is one finding; what it looks like is in render.go.
type finding struct {
	id, account, region string
	admin               string // account that sees it, too
	kind                kind
	n                   int
	typ                 string
	severity            float64
	created, updated    time.Time
	archived            bool
	feedback, comment   string
	file                world.File
	image               world.File // the process that did it
	host                *host
	person              bool       // of KindKey: a user's key, not a role's session
	key                 string     // of a user
	sequence            string     // id of the attack sequence it belongs to
	signals             []*finding // of an attack sequence
}

// profile is the type and the severity of a kind.
func (k kind) profile(n int) (string, float64) {
	list := [kinds][]string{
		KindVolume:    {"Execution:EC2/MaliciousFile", "Execution:EC2/SuspiciousFile"},
		KindRuntime:   {"Execution:Runtime/MaliciousFileExecuted"},
		KindContainer: {"PrivilegeEscalation:Runtime/DockerSocketAccessed", "Execution:Runtime/ReverseShell"},
		KindObject:    {"Object:S3/MaliciousFile"},
		KindDNS:       {"Backdoor:EC2/C&CActivity.B!DNS", "CryptoCurrency:EC2/BitcoinTool.B!DNS"},
		KindKey:       {"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", "Discovery:IAMUser/AnomalousBehavior"},
		KindCluster:   {"Policy:Kubernetes/AdminAccessToDefaultServiceAccount"},
		KindModule:    {"PrivilegeEscalation:Runtime/KernelModuleLoaded"},
		KindShort:     {"Execution:ECS/MaliciousFile"},
		KindSample:    {"Trojan:EC2/DNSDataExfiltration"},
		KindSequence:  {"AttackSequence:EC2/CompromisedInstanceGroup"},
	}[k]
	severity := [kinds][]float64{{8, 5}, {8}, {5, 7.5, 3.9}, {8}, {8, 5, 6.9}, {8, 2}, {5}, {8}, {8}, {8}, {9}}[k]
	return list[n%len(list)], severity[n%len(severity)]
}

// Request is what Add makes.
type Request struct {
	Count   int
	Age     time.Duration
	Equal   bool   // all at the very same time
	Kinds   []kind // in turn; default those that are about a host
	Account string // default the first
	Region  string // default the first
	// Feedback that somebody has given already, USEFUL or NOT_USEFUL.
	Feedback string
	Archived bool
}

// Add makes findings that are visible now, and gives their ids as region/findingId.
func (v *Vendor) Add(r Request) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(r.Kinds) == 0 {
		r.Kinds = []kind{KindVolume, KindRuntime, KindContainer, KindObject, KindDNS, KindCluster, KindModule}
	}
	r.Account, r.Region = cmpOr(r.Account, v.own.Accounts[0]), cmpOr(r.Region, v.own.Regions[0])
	var out []string
	now := v.opt.Now()
	for i := range r.Count {
		age := r.Age
		if !r.Equal {
			age += time.Duration(i) * 37 * time.Millisecond
		}
		f := v.make(r.Kinds[i%len(r.Kinds)], place{r.Account, r.Region}, now.Add(-age))
		f.feedback, f.archived = r.Feedback, r.Archived
		out = append(out, f.region+"/"+f.id)
	}
	return out
}

// make adds one finding. Times have milliseconds.
func (v *Vendor) make(k kind, p place, at time.Time) *finding {
	n := v.serial
	v.serial++
	f := &finding{id: digest(v.secret, "finding", fmt.Sprint(n))[:32], account: p.account, region: p.region, kind: k, n: n,
		created: at.UTC().Truncate(time.Millisecond)}
	if d := v.detectors[p]; d != nil {
		f.admin = d.admin
	}
	f.updated = f.created
	hosts := v.fleet(p)
	f.host, f.key = hosts[n%len(hosts)], v.deployKey(p.account)
	f.person = k == KindKey && n%2 == 1
	f.typ, f.severity = k.profile(n)
	if files := v.opt.Files; len(files) > 0 {
		f.file, f.image = files[n%len(files)], files[(n*7+3)%len(files)]
	}
	v.findings[f.id], v.order = f, append(v.order, f)
	v.version++
	return f
}

// populate spreads findings over places and the last three days. Every fortieth is an
// attack sequence over the three before it.
func (v *Vendor) populate(count int) {
	rng := rand.New(rand.NewPCG(v.opt.Seed, 0xa35))
	now := v.opt.Now()
	for i := range count {
		p := place{v.own.Accounts[rng.IntN(len(v.own.Accounts))], v.own.Regions[rng.IntN(len(v.own.Regions))]}
		k := kind(rng.IntN(int(KindSequence)))
		if i%40 == 39 {
			k = KindSequence
		}
		f := v.make(k, p, now.Add(-time.Duration(rng.Int64N(int64(72*time.Hour)))))
		f.updated = f.created.Add(time.Duration(rng.Int64N(int64(now.Sub(f.created)/2) + 1))).Truncate(time.Millisecond)
		f.archived = rng.IntN(10) == 0
		if k == KindSequence {
			v.link(f)
		}
	}
}

// link makes the three findings before it, in its place, the signals of a sequence.
func (v *Vendor) link(f *finding) {
	for i := len(v.order) - 2; i >= 0 && len(f.signals) < 3; i-- {
		o := v.order[i]
		if o.region == f.region && o.account == f.account && o.kind != KindSequence && o.sequence == "" {
			f.signals, o.sequence = append(f.signals, o), f.id
		}
	}
}

// touch is an update by GuardDuty itself: the activity went on.
func (v *Vendor) touch(f *finding) {
	f.updated = v.opt.Now().UTC().Truncate(time.Millisecond)
	v.version++
}

func (f *finding) scanID() string {
	if f.kind != KindVolume && f.kind != KindShort {
		return ""
	}
	return digest("scan", f.id)[:32]
}

// Kinds makes a list of kinds for a Request.
func Kinds(ks ...kind) []kind { return ks }
