//! Makes thumbnails: a program of one's own, with one task, whose work blocks its thread.
//!
//! ```sh
//! mkdir pictures && cp somewhere/cat.png pictures/
//! PICTURES=pictures cargo run --example thumbnails -- dev
//! ```
//!
//! and then, on the page, over HTTP, or from another shell:
//!
//! ```sh
//! cargo run --example thumbnails -- submit thumbnail --input '{"file": "cat.png", "width": 128}' --wait
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use image::imageops::FilterType;
use image::{ImageReader, Limits};
use ringback::task::Options;
use ringback::{Context, Task, TaskError, Tasks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The highest thumbnail, in pixels: whatever comes from elsewhere has a bound.
const HIGHEST: u64 = 16_384;

/// Makes thumbnails of the pictures in a folder.
struct Thumbnail {
    folder: PathBuf,
}

/// A picture, and how wide its thumbnail is to be.
#[derive(Clone, Deserialize, JsonSchema)]
struct Picture {
    /// The name of a file in the folder of pictures.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"))]
    file: String,
    /// In pixels.
    #[serde(default = "usual_width")]
    #[schemars(range(min = 1, max = 4096))]
    width: u32,
}

fn usual_width() -> u32 {
    256
}

/// A thumbnail.
#[derive(Serialize, JsonSchema)]
struct Made {
    /// The name of its file in the folder of pictures.
    file: String,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
}

impl Task for Thumbnail {
    const NAME: &'static str = "thumbnail";
    type Input = Picture;
    type Output = Made;

    fn options(&self) -> Options {
        Options::new().max_attempts(3)
    }

    async fn run(&self, picture: Picture, context: &Context) -> anyhow::Result<Made> {
        let folder = self.folder.clone();
        context.progress(None, "resizing");
        context.blocking(move || resize(&folder, &picture)).await
    }
}

fn resize(folder: &std::path::Path, picture: &Picture) -> anyhow::Result<Made> {
    let path = folder.join(&picture.file);
    if !path.is_file() {
        let text = format!("there is no picture called {}", picture.file);
        return Err(TaskError::permanent(text)
            .with_code("no_such_picture")
            .into());
    }
    let mut reader = ImageReader::open(&path)?.with_guessed_format()?;
    reader.limits(Limits::default());
    let image = reader.decode();
    let image = image.with_context(|| format!("could not read {}", picture.file))?;
    let height = u64::from(image.height()) * u64::from(picture.width) / u64::from(image.width());
    if height > HIGHEST {
        return Err(TaskError::permanent("the thumbnail would be too high").into());
    }
    let height = u32::try_from(height.max(1))?;
    let small = image.resize_exact(picture.width, height, FilterType::Triangle);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = format!("{stem}.{}.png", picture.width);
    // Whole or not at all: another attempt may be writing the same.
    let unfinished = tempfile::NamedTempFile::new_in(folder)?;
    small.write_to(&mut unfinished.as_file(), image::ImageFormat::Png)?;
    unfinished.persist(folder.join(&file))?;
    Ok(Made {
        file,
        width: picture.width,
        height,
    })
}

fn main() -> ExitCode {
    let folder = std::env::var_os("PICTURES").map_or_else(|| "pictures".into(), PathBuf::from);
    ringback::run(Tasks::new().with(Thumbnail { folder }))
}
