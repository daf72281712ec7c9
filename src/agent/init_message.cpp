#include "agent/init_message.hpp"

#include "agent/limits.hpp"
#include "base/text.hpp"

namespace matrx::agent {
namespace {

Result<std::optional<std::string>> text_of(const json::object& message, std::string_view name) {
  const json::value* value = message.if_contains(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto* text = value->if_string();
  if (text == nullptr || text->find('\0') != text->npos) {
    return fail(Code::invalid, std::string(name) + " takes a text.");
  }
  return json::to_string(*text);
}

}  // namespace

Result<InitMessage> read_init(std::string_view text) {
  const auto parsed = json::parse(trim(text).empty() ? "{}" : text);
  if (!parsed || !parsed->is_object()) return fail(Code::invalid, "The message is not JSON.");
  const json::object& fields = parsed->get_object();
  InitMessage message;
  TRY(token, text_of(fields, "accessToken"));
  TRY(user, text_of(fields, "defaultUser"));
  TRY(workdir, text_of(fields, "defaultWorkdir"));
  message.access_token = std::move(token);
  message.default_user = std::move(user);
  message.default_workdir = std::move(workdir);
  const json::value* variables = fields.if_contains("envVars");
  if (variables == nullptr || variables->is_null()) return message;
  if (!variables->is_object()) return fail(Code::invalid, "envVars takes an object.");
  if (variables->get_object().size() > kEnvVarsMax) {
    return fail(Code::invalid, "There are too many envVars.");
  }
  message.variables.emplace();
  for (const auto& member : variables->get_object()) {
    if (!member.value().is_string()) return fail(Code::invalid, "envVars holds no text.");
    message.variables->emplace_back(member.key(), json::to_string(member.value().get_string()));
  }
  return message;
}

void apply_init(const InitMessage& message, const Pairs& own, SandboxSettings& settings) {
  if (message.access_token) settings.access_token = *message.access_token;
  if (message.default_user) settings.default_user = *message.default_user;
  if (message.default_workdir) settings.default_workdir = *message.default_workdir;
  if (!message.variables) return;
  settings.variables = *message.variables;
  settings.environment = own;
  settings.environment.insert(settings.environment.end(), settings.variables.begin(),
                              settings.variables.end());
}

}  // namespace matrx::agent
