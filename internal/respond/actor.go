package respond

import (
	"os"
	"os/user"
	"strings"
)

// Actor is who did something, as every record has it.
type Actor struct {
	User string `json:"user,omitempty"`
	UID  string `json:"uid,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// Key is the fingerprint of the key that signed, "" when nothing was signed.
	Key string `json:"key,omitempty"`
}

// Self gives the actor that this process is. What the system does not tell is empty.
func Self() Actor {
	a := Actor{PID: os.Getpid()}
	a.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		a.User, a.UID = u.Username, u.Uid
	}
	return a
}

// String is the actor for a person: user@host.
func (a Actor) String() string {
	return strings.Trim(a.User+"@"+a.Host, "@")
}
