// The file of settings, and reading it again.

#include "apps/orchestrator/settings_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "apps/orchestrator/reload.hpp"

namespace matrx {
namespace {

using Keys = std::vector<std::string>;

TEST(SettingsFile, IsReadAsSystemdReadsIt) {
  const auto settings = parse_settings(
      "# a comment\n"
      "\n"
      "  ; another one\n"
      "A=plain\n"
      " B = with blanks  around \t\r\n"
      "export C=exported\n"
      "D=\"in # quotes  \"\n"
      "E='single \\ \" ones'\n"
      "F=\"a\\\"b\\\\c\\$d\\e\"\n"
      "G=back\\slash\\ \n"
      "H=two \\\nlines\n"
      "I=\n"
      "J=a=b # no comment\n"
      "K='one' \"two\" three\n"
      "A=again\n"
      "L=no end");
  ASSERT_TRUE(settings) << settings.error().message;
  const Settings wanted = {{"A", "again"},
                           {"B", "with blanks  around"},
                           {"C", "exported"},
                           {"D", "in # quotes  "},
                           {"E", "single \\ \" ones"},
                           {"F", "a\"b\\c$d\\e"},
                           {"G", "backslash "},
                           {"H", "two lines"},
                           {"I", ""},
                           {"J", "a=b # no comment"},
                           {"K", "onetwothree"},
                           {"L", "no end"}};
  EXPECT_EQ(*settings, wanted);
}

TEST(SettingsFile, AWrongLineIsNamed) {
  EXPECT_EQ(parse_settings("A=1\n\nMATRX_PORT 8000\n").error().message, "line 3 has no '='");
  EXPECT_FALSE(parse_settings("A='open"));
  EXPECT_FALSE(parse_settings("A=\"open\\\""));
  EXPECT_TRUE(parse_settings(""));
  EXPECT_TRUE(parse_settings("A=\\"));
}

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() {
    std::string name = (std::filesystem::temp_directory_path() / "matrx-settings-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/orchestrator.env";
    log::configure(log::Level::info, log::Format::text,
                   [this](std::string_view line) { log_ += line; });
  }
  ~ReloadTest() override {
    log::configure(log::Level::critical, log::Format::text, [](std::string_view) {});
    std::filesystem::remove_all(folder_);
  }

  void write(const std::string& text) { std::ofstream(path_) << text; }
  Environment environment(std::map<std::string, std::string> set) {
    return [set = std::move(set)](const std::string& name) -> std::optional<std::string> {
      const auto found = set.find(name);
      return found == set.end() ? std::nullopt : std::optional(found->second);
    };
  }
  Environment with_file() {
    return environment({{"MATRX_SETTINGS_FILE", path_}, {"MATRX_API_KEY", "of-the-environment"}});
  }
  // As at a start.
  Reload start(const Environment& process) {
    const auto config = read_config(with_settings_file(process).value()).value();
    return {process, config.api_keys, [this](Keys keys) { used_.push_back(std::move(keys)); }};
  }
  bool is_told(std::string_view words) const { return log_.find(words) != std::string::npos; }

  std::string folder_, path_, log_;
  std::vector<Keys> used_;
};

TEST_F(ReloadTest, TheFileGoesBeforeTheEnvironment) {
  write("MATRX_API_KEY=of-the-file-1\nMATRX_PORT=8123\nMATRX_SETTINGS_FILE=/elsewhere\n");
  const auto config = read_config(with_settings_file(with_file()).value()).value();
  EXPECT_EQ(config.api_keys, Keys{"of-the-file-1"});
  EXPECT_EQ(config.port, 8123);
  EXPECT_EQ(config.settings_file, path_);
  std::filesystem::remove(path_);
  EXPECT_NE(with_settings_file(with_file()).error().message.find(path_), std::string::npos);
}

TEST_F(ReloadTest, KeysAndLevelChangeAndTheRestIsNamed) {
  write("MATRX_API_KEY=first-of-keys\n");
  Reload reload = start(with_file());
  write("MATRX_API_KEY=second-of-keys,third-of-keys\nMATRX_LOG_LEVEL=DEBUG\nMATRX_PORT=8123\n");
  reload.run();
  EXPECT_EQ(used_, std::vector<Keys>{(Keys{"second-of-keys", "third-of-keys"})});
  EXPECT_TRUE(log::enabled(log::Level::debug));
  EXPECT_TRUE(
      is_told("keys_added=2  keys_removed=1  log_level=DEBUG"
              "  change_with_the_next_start=MATRX_PORT"))
      << log_;
  EXPECT_FALSE(is_told("second-of-keys"));
  reload.run();
  EXPECT_EQ(used_.size(), 1U) << "nothing has changed";
}

TEST_F(ReloadTest, WhatIsWrongChangesNothing) {
  write("MATRX_API_KEY=first-of-keys\n");
  Reload reload = start(with_file());
  for (const char* wrong : {"MATRX_API_KEY=short\nMATRX_LOG_LEVEL=DEBUG\n", "MATRX_API_KEY=\n",
                            "MATRX_API_KEY=second-of-keys\nMATRX_PORT=many\n", "MATRX_API_KEY\n"}) {
    log_.clear();
    write(wrong);
    reload.run();
    EXPECT_TRUE(is_told("settings are as before")) << wrong << log_;
  }
  std::filesystem::remove(path_);
  log_.clear();
  reload.run();
  EXPECT_TRUE(is_told("there is no such file")) << log_;
  EXPECT_TRUE(used_.empty());
  EXPECT_FALSE(log::enabled(log::Level::debug));
}

TEST_F(ReloadTest, NoKeyIsForgottenWhileItRuns) {
  write("MATRX_API_KEY=first-of-keys\n");
  Reload reload = start(environment({{"MATRX_SETTINGS_FILE", path_}}));
  write("");
  reload.run();
  EXPECT_TRUE(is_told("MATRX_API_KEY is gone")) << log_;
  EXPECT_TRUE(used_.empty());
}

TEST_F(ReloadTest, WithoutAFileItSaysSo) {
  Reload reload = start(environment({}));
  reload.run();
  EXPECT_TRUE(is_told("MATRX_SETTINGS_FILE names no file")) << log_;
}

}  // namespace
}  // namespace matrx
