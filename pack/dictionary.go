package pack

// Dictionary is the preset dictionary of a bundle's stream (docs/formats.md, Bundle): JSON as it comes in manifests and metadata,
// what comes first in a bundle last, so that the smallest window reaches it.
const Dictionary = `{"module":"","version":"v1.0","repository":"https://github.com/","commit":"","files":[{"path":".py","length":,"executable":true},` +
	`"custom":{"devices":["esp32","micropython"],"prerelease":true},` +
	`"}],"signed":{"_type":"targets","expires":"2027-","spec_version":"1.0.31","targets":{"/v1.0":{"hashes":{"sha256":"` +
	`"},"length":1` +
	`"}],"signed":{"_type":"snapshot","expires":"2026-","meta":{".json":{"version":1},"targets.json":{"version":` +
	`{"signatures":[{"keyid":"","sig":"` +
	`"}],"signed":{"_type":"timestamp","expires":"2026-1","issued":"2026-1","meta":{"snapshot.json":{"version":1}},"spec_version":"1.0.31","version":3}}`
