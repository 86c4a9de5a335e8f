#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

// The path that is still to be walked, and where the walk stands.
struct Walk {
  InodeRow at;
  std::string rest;
  int links = 0;
};

// Cuts the next component off `rest`.
std::string nextName(std::string& rest) {
  const auto begin = rest.find_first_not_of('/');
  if (begin == std::string::npos) {
    rest.clear();
    return {};
  }
  const auto end = rest.find('/', begin);
  std::string name = rest.substr(begin, end == std::string::npos ? std::string::npos : end - begin);
  rest = end == std::string::npos ? std::string() : rest.substr(end);
  return name;
}

Task<InodeRow> start(SqlTx& tx, InodeId base, const std::string& path) {
  co_return co_await getInode(tx, !path.empty() && path[0] == '/' ? kRootInode : base);
}

// The link's target takes the link's place in front of the rest of the path.
Task<void> followLink(SqlTx& tx, Walk* walk, InodeId directory, InodeId linkInode) {
  if (++walk->links > kMaxSymlinksFollowed) throw Error(Errc::loop, "too many symbolic links in the path");
  const std::string target = co_await readLink(tx, linkInode);
  walk->rest = target + walk->rest;
  if (walk->rest.size() > 16 * kMaxPath) throw Error(Errc::nameTooLong, "the path is too long with its links followed");
  walk->at = co_await start(tx, directory, target);
}

}  // namespace

Task<std::optional<Entry>> resolve(SqlTx& tx, InodeId base, std::string path, bool follow) {
  if (path.size() > kMaxPath) throw Error(Errc::nameTooLong, "a path has at most 4096 bytes");
  Walk walk;
  walk.at = co_await start(tx, base, path);
  walk.rest = std::move(path);
  for (std::string name = nextName(walk.rest); !name.empty(); name = nextName(walk.rest)) {
    if (!walk.at.isDirectory()) throw Error(Errc::notDirectory, "a part of the path is not a directory");
    checkLookupName(name);
    if (name == ".") continue;
    if (name == "..") {
      walk.at = co_await getInode(tx, walk.at.parent);
      continue;
    }
    auto child = co_await findChild(tx, walk.at.attr.inode, name);
    if (!child) co_return std::nullopt;
    const bool last = walk.rest.empty();
    if (child->attr.type == FileType::symlink && (!last || follow)) {
      co_await followLink(tx, &walk, walk.at.attr.inode, child->attr.inode);
    } else {
      walk.at = std::move(*child);
      // "file/" names a directory or nothing.
      const bool slashes = !last && walk.rest.find_first_not_of('/') == std::string::npos;
      if (slashes && !walk.at.isDirectory())
        throw Error(Errc::notDirectory, "the path ends in '/' but is not a directory");
    }
  }
  co_return walk.at.entry();
}

}  // namespace vcfs::tracker::ops
