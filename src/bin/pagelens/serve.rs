//! `pagelens serve`.

use std::path::PathBuf;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
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
    /// A host that the page may fetch models from, such as https://huggingface.co; may be given several times.
    #[arg(long, value_name = "ORIGIN")]
    allow: Vec<String>,
}

/// What the page and its workers may do: nothing but this server, models from `allowed`, and pictures that they were given.
fn policy(allowed: &[String]) -> String {
    let allowed = allowed.iter().map(|origin| format!(" {origin}"));
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; \
         connect-src 'self' blob:{}; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; form-action 'none'",
        allowed.collect::<String>()
    )
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.dir.join("index.html").is_file() {
        return Err(Error::MissingFile {
            file: args.dir.join("index.html").display().to_string(),
        });
    }
    let address = format!("127.0.0.1:{}", args.port);
    let failed = |error: std::io::Error| Error::Io {
        path: address.clone(),
        reason: error.to_string(),
    };
    let policy = HeaderValue::from_str(&policy(&args.allow)).map_err(|error| Error::Request {
        what: "--allow".into(),
        reason: error.to_string(),
    })?;
    let header = SetResponseHeaderLayer::<HeaderValue>::overriding;
    // Nothing is held back from a reload: the files are local.
    let app = Router::new()
        .fallback_service(ServeDir::new(&args.dir))
        .layer(header(CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .layer(header(CONTENT_SECURITY_POLICY, policy));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address)
            .await
            .map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        println!("http://{local}");
        axum::serve(listener, app).await.map_err(failed)
    })
}
