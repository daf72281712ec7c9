#pragma once
// The HTTP API: decodes, calls core, encodes. routes.cpp has the table, pipeline.cpp what every
// request goes through; one file of handlers per resource.

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "api/machine_messages.hpp"
#include "api/port_links.hpp"
#include "api/proxy.hpp"
#include "api/readiness.hpp"
#include "api/router.hpp"
#include "api/session.hpp"
#include "api/terminal.hpp"
#include "core/core.hpp"
#include "ports/access.hpp"

namespace matrx::http {
class ResponseStream;
}

namespace matrx::api {

// A file of the dashboard, compressed, as it lies in the program.
struct DashboardFile {
  std::string_view path;  // "index.html", "assets/…"
  std::string_view content_type;
  std::string_view gzip;
};

struct ApiSettings {
  std::string version;
  std::string key_header = "X-API-Key";
  std::vector<std::string> keys;                 // empty: open to everybody
  std::vector<std::string> public_origins = {};  // where browsers reach us, beside our addresses
  MessageLimits limits;
  milliseconds proxy_timeout{120'000};  // until a program inside begins to answer
  int ttl_seconds_default = 7200;
  std::span<const DashboardFile> dashboard = {};  // empty: a build without one
  std::vector<std::string> widget_origins = {};   // whose pages may frame the widget
  AccessDoor* access = nullptr;                   // none: no SSH here
  std::string access_host = {};                   // empty: as the API was asked
  Clock* clock = nullptr;                         // none: the system's
};

class Api {
 public:
  Api(ApiSettings settings, Core& core, Random& random);

  // Everything that arrives. Never fails: problems are answers.
  Task<http::Response> handle(http::Request& request);

  // From now on these, which name at least one. Where one of those before is not among them,
  // whatever it has opened ends: the sessions and the links.
  void use_keys(std::vector<std::string> keys);

  const json::object& openapi() const { return openapi_; }

 private:
  friend std::vector<Route> make_routes(const Schemas& schemas, const MachineSchemas& machine);
  friend void add_machine_routes(std::vector<Route>& routes, const Schemas& schemas,
                                 const MachineSchemas& machine);

  // The pipeline, in the order in which a request passes (pipeline.cpp).
  using Next = Task<http::Response> (Api::*)(Context& context);
  Task<http::Response> with_access_log(Context& context);
  Task<http::Response> with_errors(Context& context);
  Task<http::Response> with_authentication(Context& context);
  std::optional<http::Response> refuse(Context& context);
  std::optional<http::Response> refuse_spare(const Context& context) const;
  std::optional<http::Response> refuse_stranger(Context& context);
  std::optional<http::Response> refuse_in_the_open(const Context& context) const;
  bool is_https(const http::Request& request) const;
  std::string_view session_token(const http::Request& request) const;
  Task<http::Response> with_body(Context& context);
  Task<http::Response> dispatch(Context& context);
  std::string make_request_id(const http::Request& request);

  // Handlers.
  Task<http::Response> service(Context& context);
  Task<http::Response> health(Context& context);
  Task<http::Response> ready(Context& context);
  Task<http::Response> openapi_document(Context& context);
  Task<http::Response> docs_page(Context& context);
  Task<http::Response> create_sandbox(Context& context);
  Task<http::Response> list_sandboxes(Context& context);
  Task<http::Response> get_sandbox(Context& context);
  Task<http::Response> destroy_sandbox(Context& context);
  Task<http::Response> sandbox_events(Context& context);
  Task<http::Response> extend_sandbox(Context& context);
  Task<http::Response> live_events(Context& context);
  Task<void> stream_events(FeedPage page, bool reset, http::BodyWriter& writer);
  Task<http::Response> storage_usage(Context& context);
  Task<http::Response> storage_files(Context& context);
  Task<http::Response> storage_content(Context& context);
  Task<void> stream_content(StoragePlace place, std::string path, std::int64_t bytes,
                            http::BodyWriter& writer);
  Task<http::Response> remove_storage(Context& context);
  Task<http::Response> give_up_home(Context& context);
  Task<http::Response> metrics(Context& context);
  Task<http::Response> exec(Context& context);
  Task<http::Response> heartbeat(Context& context);
  Task<http::Response> complete(Context& context);
  Task<http::Response> report_error(Context& context);
  Task<http::Response> pause_sandbox(Context& context);
  Task<http::Response> resume_sandbox(Context& context);
  Task<http::Response> list_ports(Context& context);
  Task<http::Response> sandbox_metrics(Context& context);
  Task<http::Response> sandbox_logs(Context& context);

  // Processes (processes.cpp) and terminals (terminal.cpp).
  struct Started {
    std::string process_id;
    int pid = 0;
    std::string cwd = {};
    std::uint64_t offset = 0;
    std::unique_ptr<ProcessEvents> events = {};
  };
  struct TerminalWish {
    std::string terminal_id;  // empty: a new one
    std::optional<std::string> since;
    bool read_only = false;
    TerminalShape shape = {};
    std::string user = {};
    std::optional<std::string> cwd = {};
  };
  std::string make_process_id();
  Task<Result<Started>> start_process(SandboxId id, ProcessStart start, Actor actor);
  Task<Result<ProcessInfo>> find_process(SandboxId id, ProcessKey key, Actor actor);
  Task<http::Response> plain_output(Context& context, SandboxId id, ProcessKey key,
                                    std::uint64_t since);
  static Task<void> send_output(std::shared_ptr<ProcessEvents> events, std::string piece,
                                std::uint64_t left, http::BodyWriter& writer);
  Task<Result<Started>> open_terminal(SandboxId id, TerminalWish wish, Actor actor);
  Task<http::Response> exec_stream(Context& context);
  Task<http::Response> create_process(Context& context);
  Task<http::Response> list_processes(Context& context);
  Task<http::Response> get_process(Context& context);
  Task<http::Response> process_output(Context& context);
  Task<http::Response> process_input(Context& context);
  Task<http::Response> process_signal(Context& context);
  Task<http::Response> process_resize(Context& context);
  Task<http::Response> kill_process(Context& context);
  Task<http::Response> terminal(Context& context);

  // Files (files.cpp).
  Task<http::Response> read_file(Context& context);
  Task<http::Response> write_file(Context& context);
  Task<http::Response> remove_file(Context& context);
  Task<http::Response> stat_file(Context& context);
  Task<http::Response> list_files(Context& context);
  Task<http::Response> make_folder(Context& context);
  Task<http::Response> move_file(Context& context);
  Task<http::Response> copy_file(Context& context);
  Task<http::Response> read_archive(Context& context);
  Task<http::Response> write_archive(Context& context);
  Task<http::Response> watch_files(Context& context);

  // SSH (access.cpp).
  Task<http::Response> give_access(Context& context);

  // The dashboard (dashboard.cpp).
  Task<http::Response> dashboard(Context& context);
  Task<http::Response> get_session(Context& context);
  Task<http::Response> open_session(Context& context);
  Task<http::Response> close_session(Context& context);
  http::Response session_state(const Sessions::Session* session) const;

  // Ports (proxy.cpp).
  Task<http::Response> proxy(Context& context);
  Task<http::Response> make_link(Context& context);
  Task<http::Response> follow_link(Context& context);
  struct Inner {
    SandboxId sandbox;
    int port = 0;
    std::string target;
    ProgramPlace place;
  };
  Task<http::Response> ask_program(Context& context, Inner asked);
  http::Response answer_of_program(const SandboxId& id, Passage passage,
                                   std::shared_ptr<http::ResponseStream> answer);

  SystemClock system_clock_;
  ApiSettings settings_;
  Core& core_;
  Random& random_;
  Schemas schemas_;
  MachineSchemas machine_schemas_;
  TerminalSeats seats_;
  Sessions sessions_;
  PortLinks links_;
  ProgramCookieNames program_cookies_;
  Readiness readiness_;
  Router router_;
  json::object openapi_;
  std::string openapi_text_;
  std::size_t feed_readers_ = 0;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::vector<Route> make_routes(const Schemas& schemas, const MachineSchemas& machine);
// The part of the table that is about what is inside of a sandbox.
void add_machine_routes(std::vector<Route>& routes, const Schemas& schemas,
                        const MachineSchemas& machine);
json::object make_openapi(const std::vector<Route>& routes, const ApiSettings& settings);
std::string_view docs_html();

}  // namespace matrx::api
