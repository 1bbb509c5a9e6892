package simulator

// A Fault is what goes wrong of one request to the API server.
type Fault int

const (
	// fine means that nothing goes wrong.
	fine Fault = iota

	// Dies means that the request went through, and nobody tells.
	Dies

	// Lost means that the request went through, and its answer is lost.
	Lost

	// Unsent means that the request did not go through. It has the words of a lost answer.
	Unsent

	// Conflict means that somebody else was faster.
	Conflict

	// Unread means that not even the live object can be read.
	Unread
)

// lostAnswers are what clients of the API server say where no answer came.
var lostAnswers = []string{
	`Patch "https://10.96.0.1:443/apis/apps/v1/namespaces/storage/statefulsets/files?fieldManager=provider-kubernetes%2Ffiles-statefulset&force=true": EOF`,
	`Patch "https://10.96.0.1:443/apis/apps/v1/namespaces/storage/statefulsets/files?force=true": net/http: request canceled (Client.Timeout exceeded while awaiting headers)`,
	`Patch "https://10.96.0.1:443/api/v1/namespaces/storage/services/files-file?force=true": http2: client connection lost`,
	`the server was unable to return a response in the time allotted, but may still be processing the request (patch statefulsets.apps files)`,
	`etcdserver: request timed out`,
	`context deadline exceeded`,
}

// conflicted is what the API server says to who was too slow.
const conflicted = `Operation cannot be fulfilled on statefulsets.apps "files": the object has been modified; please apply your changes to the latest version and try again`

// words of a fault.
func (w *World) words(f Fault) string {
	if f == Conflict {
		return conflicted
	}

	return lostAnswers[w.rand.IntN(len(lostAnswers))]
}

// someFault returns what goes wrong with one request, which is mostly nothing.
func (w *World) someFault() Fault {
	switch n := w.rand.IntN(20); {
	case n < 3:
		return Dies
	case n < 5 && w.rough:
		return Lost
	case n < 7 && w.rough:
		return Unsent
	case n < 8 && w.rough:
		return Conflict
	case n < 9 && w.rough:
		return Unread
	default:
		return fine
	}
}
