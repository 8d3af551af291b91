#!/bin/sh
# Puts the bundle that was unpacked into this folder into service, by the holdall that lies beside this file. A holdall that
# is installed on this server is to be preferred, as what a bundle brings along proves nothing of that bundle:
# `holdall deploy` in this folder is the same.
#
#     sh deploy.sh [OPTIONS]     any of `holdall deploy`, such as --plan; the exit code is holdall's
case $0 in
/*) folder=${0%/*} ;;
*/*) folder=./${0%/*} ;;
*) folder=. ;;
esac
if [ ! -f "$folder/holdall" ]; then
    echo "deploy.sh: there is no holdall in \`$folder\`: unpack the whole bundle, and run deploy.sh there" >&2
    exit 3
fi
if [ ! -x "$folder/holdall" ]; then
    echo "deploy.sh: \`$folder/holdall\` is no program: unpack the bundle by something that keeps modes, such as unzip" >&2
    exit 3
fi
exec "$folder/holdall" deploy "$folder/." "$@"
