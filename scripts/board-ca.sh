#!/bin/sh
# Prints, from this system's own store, the authorities that a board needs to check github.com, its archives and most other forges:
# for config/ca.pem on the board. More names of files in the store may be given.
set -eu
store=/usr/share/ca-certificates/mozilla
[ -d "$store" ] || { echo "board-ca: $store is missing: install the package ca-certificates" >&2; exit 1; }

for name in USERTrust_ECC_Certification_Authority USERTrust_RSA_Certification_Authority DigiCert_Global_Root_G2 DigiCert_Global_Root_CA \
	ISRG_Root_X1 ISRG_Root_X2 "$@"; do
	[ -e "$store/$name.crt" ] || { echo "board-ca: $store/$name.crt is missing" >&2; exit 1; }
	echo "$name"
	cat "$store/$name.crt"
done
