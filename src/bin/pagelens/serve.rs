//! `pagelens serve`.

use std::path::PathBuf;

use axum::Router;
use axum::http::{HeaderValue, header};
use pagelens::{Error, Result};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Serve the page on 127.0.0.1, with byte ranges.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The port; 0 takes a free one.
    #[arg(long, value_name = "P", default_value_t = 8080)]
    port: u16,
    /// The page's folder.
    #[arg(long, value_name = "DIR", default_value = "www")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.dir.join("index.html").is_file() {
        return Err(Error::MissingFile { file: args.dir.join("index.html").display().to_string() });
    }
    let address = format!("127.0.0.1:{}", args.port);
    let failed = |error: std::io::Error| Error::Io { path: address.clone(), reason: error.to_string() };
    // Nothing is held back from a reload: the files are local.
    let fresh = SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let app = Router::new().fallback_service(ServeDir::new(&args.dir)).layer(fresh);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        println!("http://{local}");
        axum::serve(listener, app).await.map_err(failed)
    })
}
