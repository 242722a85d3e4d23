// Package respond contains what was attacked, and lets go of it again: hosts
// through the product that watches them, and AWS instances, roles and keys through
// package respond/aws.
//
// An [Engine] turns a [Request] into a [Plan], which is data: the target, the steps,
// what stands there before each of them, who else is hit, what to beware of. A plan
// sends nothing that changes anything. [Engine.Apply] carries it out: belts,
// confirmation, a rehearsal where the vendor offers one, then for each step an
// intent on disk, the step, its outcome on disk; at the end the real state is read
// back. [Engine.Undo] reads what each step left behind and reverses what is still
// there, newest first.
//
// Three rules carry the rest:
//
//   - Nothing is changed before the intent to change it is on disk. A process that
//     dies at any point leaves an action that `edrc actions` shows and that
//     [Engine.Resume] or [Engine.Undo] completes.
//   - What is true is what the vendor says now. A step is read before it is done and
//     before it is reversed; what somebody else changed meanwhile is not overwritten.
//   - What was done by others is never undone: an isolation that edrc did not make is
//     left alone.
//
// A [Driver] knows one vendor. Its steps are data with a versioned kind, so that a
// later edrc can still undo what an earlier one did.
package respond
