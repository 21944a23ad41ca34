"""The preset dictionary of bundles (docs/formats.md, Bundle), as a stored block that is put before the stream."""

STORED = (
    b"\x00\x5f\x02\xa0\xfd"  # not the last block; the length and its complement
    b'{"module":"","version":"v1.0","repository":"https://github.com/","commit":"","files":[{"path":".py","length":,"executable":true},'
    b'"custom":{"devices":["esp32","micropython"],"prerelease":true},'
    b'"}],"signed":{"_type":"targets","expires":"2027-","spec_version":"1.0.31","targets":{"/v1.0":{"hashes":{"sha256":"'
    b'"},"length":1'
    b'"}],"signed":{"_type":"snapshot","expires":"2026-","meta":{".json":{"version":1},"targets.json":{"version":'
    b'{"signatures":[{"keyid":"","sig":"'
    b'"}],"signed":{"_type":"timestamp","expires":"2026-1","issued":"2026-1","meta":{"snapshot.json":{"version":1}},"spec_version":"1.0.31","version":3}}'
)
