#pragma once

#include "httpd/server/exchange.h"

// What the server can be asked, one operation per file.
namespace vcfs::httpd {

// Finds out what a request wants and answers it.
Task<void> route(Exchange& exchange);

Task<void> getFile(Exchange& exchange, Entry entry, std::string fileName);
// ?live=1[&from=BYTES]: the bytes from there on, followed while they are recorded; ends when the file is sealed.
Task<void> getLive(Exchange& exchange, Entry entry, std::string fileName);
Task<void> getDirectory(Exchange& exchange, Entry entry);
Task<void> getHealth(Exchange& exchange);
Task<void> getMetrics(Exchange& exchange);

// An Error of the cluster as an answer; the only place that knows which status belongs to which.
int statusOf(Errc code);
Task<void> answerError(Exchange& exchange, Error error);

}  // namespace vcfs::httpd
