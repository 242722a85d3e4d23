// Package aws contains AWS instances, roles and access keys for package respond.
//
//   - isolate role: a deny-all inline policy on the role. It holds for sessions that
//     were issued already, because policies are evaluated at each request.
//     IAM is asked afterwards what it would answer to such a session.
//   - isolate security-group: every network interface of an instance goes into an
//     empty security group of its VPC. Interfaces are changed one by one, because
//     ModifyInstanceAttribute is for instances with one interface only.
//   - stop instance, disable key: what EC2 and IAM call so.
//
// [Driver] reads first and says in the plan what it found, who else is hit and what
// the action does not stop; docs/response.md has the same for people. Each step is a
// type in a file of its own (role.go, group.go, interface.go, …) that applies, reverts
// and reads one thing, and can do so in a later process from its JSON alone.
//
// Guards that no flag lifts: roles that AWS owns, the role that edrc runs as, an
// account other than the one the credential belongs to. Facts about the services come
// from the EC2, IAM and Auto Scaling API references.
package aws
