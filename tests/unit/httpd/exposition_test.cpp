#include "httpd/core/exposition.h"

#include <gtest/gtest.h>

namespace vcfs::httpd {
namespace {

constexpr Metric kA = {"a_total", MetricType::counter, "Things [things]"};
constexpr Metric kB = {"b", MetricType::gauge, "Room [bytes]"};

TEST(Exposition, each_metric_is_explained_above_its_samples) {
  Exposition out;
  out.add(kA, 7);
  out.add(kB, 18'446'744'073'709'551'615u, {{"disk", "s1"}, {"group", "g1"}});
  EXPECT_EQ(out.text(),
            "# HELP a_total Things [things]\n"
            "# TYPE a_total counter\n"
            "a_total 7\n"
            "# HELP b Room [bytes]\n"
            "# TYPE b gauge\n"
            "b{disk=\"s1\",group=\"g1\"} 18446744073709551615\n");
}

TEST(Exposition, samples_of_a_metric_stand_together_in_whatever_order_they_come) {
  Exposition out;
  out.add(kB, 1, {{"disk", "s1"}});
  out.add(kA, 2);
  out.add(kB, 3, {{"disk", "s2"}});
  EXPECT_EQ(out.text(),
            "# HELP b Room [bytes]\n# TYPE b gauge\nb{disk=\"s1\"} 1\nb{disk=\"s2\"} 3\n"
            "# HELP a_total Things [things]\n# TYPE a_total counter\na_total 2\n");
}

TEST(Exposition, of_two_samples_with_the_same_labels_the_first_stays) {
  Exposition out;
  out.add(kB, 1, {{"disk", "s1"}});
  out.add(kB, 2, {{"disk", "s1"}});
  EXPECT_EQ(out.text(), "# HELP b Room [bytes]\n# TYPE b gauge\nb{disk=\"s1\"} 1\n");
}

TEST(Exposition, without_samples_there_is_no_text) { EXPECT_EQ(Exposition().text(), ""); }

TEST(Exposition, label_values_are_escaped) {
  EXPECT_EQ(escapeLabel("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
  EXPECT_EQ(escapeLabel("größe {x}=1,#"), "größe {x}=1,#");
  Exposition out;
  out.add(kB, 1, {{"disk", "\"} 5\nevil 6"}});
  EXPECT_EQ(out.text(), "# HELP b Room [bytes]\n# TYPE b gauge\nb{disk=\"\\\"} 5\\nevil 6\"} 1\n");
}

}  // namespace
}  // namespace vcfs::httpd
